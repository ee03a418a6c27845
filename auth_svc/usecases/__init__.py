"""The use cases of auth-service."""
