"""The use cases of doctor-service."""
