"""The use cases of patient-service."""
