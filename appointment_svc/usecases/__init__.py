"""The use cases of appointment-service."""
