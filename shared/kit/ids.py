"""Ids: UUIDv7 (RFC 9562 section 5.7) for what is new, UUIDv5 for what a repeated wish must meet again."""

from __future__ import annotations

from uuid import UUID, uuid5

from uuid_utils import compat


def new_id() -> UUID:
    """Time-ordered, so that neighbours in time are neighbours in an index."""
    return compat.uuid7()


def derive_id(namespace: UUID, *words: object) -> UUID:
    """The same words give the same id."""
    return uuid5(namespace, "\x1f".join(map(str, words)))
