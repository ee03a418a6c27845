"""admin-service owns the administration of users and appointments: it calls the services that own them."""
