"""admin-service owns the administration of users and appointments: it asks their owners, and finishes what it started."""
