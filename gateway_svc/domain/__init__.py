"""Paths, headers, the routing table and the public OpenAPI document: pure functions and data."""
