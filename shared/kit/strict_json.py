"""JSON exactly as RFC 8259 defines it: no duplicate keys, NaN, Infinity, numbers out of range or lone surrogates."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from shared.kit.problems import DuplicateKey, Malformed

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text in UTF-8. Raises Malformed or DuplicateKey."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant, parse_float=_finite_float
        )
        if SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails for a surrogate without its other half
    except (ValueError, RecursionError):
        raise Malformed from None
    return value


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise DuplicateKey
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value
