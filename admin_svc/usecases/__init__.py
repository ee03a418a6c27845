"""The use cases of admin-service."""
