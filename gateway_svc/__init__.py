"""The one public door: routing, token check, limits, balancing, the joined document. It owns no data."""
