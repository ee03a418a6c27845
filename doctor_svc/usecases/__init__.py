"""What one can do at doctor-service."""
