"""What one can do at auth-service."""
