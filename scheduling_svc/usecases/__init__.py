"""What one can do at scheduling-service."""
