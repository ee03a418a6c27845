"""Adapters for everything but the database: patient-service, password hashing and token signing."""
