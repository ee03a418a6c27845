"""What the gateway does: forwards requests to services, builds the public OpenAPI document, reports which services are up."""
