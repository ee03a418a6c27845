"""Canonical paths: the one spelling of a path that this door knows (RFC 3986 section 6.2.2).

No resource of this API needs an escape, an empty segment or a dot segment in its path. So a path is either spelled in
unreserved characters alone, and then what was routed is byte for byte what is forwarded, or it does not exist.
"""

from __future__ import annotations

import re

_CANONICAL = re.compile(rb"/|(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
_QUERY = re.compile(rb"[\x21-\x7e]*")


def is_canonical(raw_path: bytes) -> bool:
    """Whether every reader of this path, strict or lenient, reads the same path."""
    return _CANONICAL.fullmatch(raw_path) is not None


def is_plain(query: bytes) -> bool:
    """Whether a query string can stand on a request line."""
    return _QUERY.fullmatch(query) is not None
