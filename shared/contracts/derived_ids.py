"""Ids that follow from other values, for what a repeated operation must find again (UUIDv5, RFC 9562 section 5.5)."""

from __future__ import annotations

from uuid import UUID, uuid5


def derive_id(namespace: UUID, *parts: object) -> UUID:
    """Return the id of `parts` in a namespace; equal parts give the same id."""
    return uuid5(namespace, "\x1f".join(map(str, parts)))
