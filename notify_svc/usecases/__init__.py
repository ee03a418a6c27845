"""What one can do at notification-service."""
