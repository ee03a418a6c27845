"""What one can do at appointment-service."""
