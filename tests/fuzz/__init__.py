"""Sends generated requests to every operation of the OpenAPI document."""
