"""Ids: UUIDv7 (RFC 9562 section 5.7) for a new object, UUIDv5 for one that a repeated request must find again."""

from __future__ import annotations

from uuid import UUID, uuid5

from uuid_utils import compat


def new_id() -> UUID:
    """Return a new UUIDv7. Ids made one after another are close to each other in an index, which keeps inserts fast."""
    return compat.uuid7()


def derive_id(namespace: UUID, *parts: object) -> UUID:
    """Return the UUIDv5 of the parts' texts. The same namespace and parts always give the same id."""
    return uuid5(namespace, "\x1f".join(map(str, parts)))
