"""The use cases of scheduling-service."""
