"""How the gateway reaches the services: over HTTP/1.1 connections, or in the same process."""
