"""Canonical paths (RFC 3986 section 6.2.2): the gateway accepts exactly one spelling of a path.

No resource of this API has an escape, an empty segment or a dot segment in its path. A path therefore consists of unreserved
characters only, or it does not exist. This guarantees that a service reads the same path that the gateway routed. The exceptions are
`/docs/` and `/problems/`, because people type them; the gateway itself answers them.
"""

from __future__ import annotations

import re

_CANONICAL_PATH = re.compile(rb"/|/docs/|/problems/|(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
_PRINTABLE_ASCII = re.compile(rb"[\x21-\x7e]*")


def is_canonical_path(raw_path: bytes) -> bool:
    """True if strict and lenient parsers read the same path."""
    return _CANONICAL_PATH.fullmatch(raw_path) is not None


def is_valid_query(query: bytes) -> bool:
    """True if the query string can be written into a request line: printable ASCII without spaces."""
    return _PRINTABLE_ASCII.fullmatch(query) is not None
