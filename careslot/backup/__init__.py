"""Backups of an embedded installation: `careslot backup` and `careslot restore`."""
