"""How the gateway reaches the services: over the network, or in the same process."""
