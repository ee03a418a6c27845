"""Reads the headers Accept, Accept-Encoding, Accept-Language and If-None-Match of a request (RFC 9110), and Content-Encoding."""

from __future__ import annotations

import re
from functools import lru_cache

QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
GZIP_NAMES = ("gzip", "x-gzip")


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """True if a client with this Accept-Encoding accepts gzip, and does not prefer a response without an encoding.

    An absent header (an empty text) and a quality that is not valid mean that gzip is not accepted.
    """
    qualities = dict(_codings(accept_encoding))
    any_other = qualities.get("*", 0.0)
    gzip = max((qualities[name] for name in GZIP_NAMES if name in qualities), default=any_other)
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def accepted_languages(accept_language: str) -> list[str]:
    """Return the language tags of an Accept-Language header (RFC 9110 section 12.5.4), the preferred one first, without `*`."""
    qualities = [(name, quality) for name, quality in _codings(accept_language) if quality > 0 and name not in ("", "*")]
    return [name for name, _ in sorted(qualities, key=lambda item: -item[1])]


def _codings(accept_encoding: str) -> list[tuple[str, float]]:
    codings = []
    for part in accept_encoding.split(","):
        name, _, weight = part.partition(";")
        codings.append((name.strip().lower(), _quality(weight.strip())))
    return codings


def _quality(weight: str) -> float:
    if not weight:
        return 1.0
    match = QUALITY.fullmatch(weight)
    return float(match[1]) if match else 0.0


def names_entity_tag(if_none_match: str, entity_tag: str) -> bool:
    """True if an If-None-Match header is `*` or lists the entity tag, in the weak comparison of RFC 9110 section 8.8.3.2.

    What is not an entity tag in the list is ignored: the client then gets the whole response. The tags of this API have no commas.
    """
    if if_none_match.strip() == "*":
        return True
    opaque_tag = entity_tag.removeprefix("W/")
    return any(tag.strip().removeprefix("W/") == opaque_tag for tag in if_none_match.split(","))


def is_encoded(content_encoding: str) -> bool:
    """True if a Content-Encoding header names any coding but `identity`, which means that there is none."""
    return any(name.strip().lower() not in ("", "identity") for name in content_encoding.split(","))


def names_media_type(accept: str, media_type: str) -> bool:
    """Return whether the header names the media type itself, not only `*/*`, and does not exclude it with `q=0`."""
    for media_range in accept.split(","):
        name, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if name == media_type:
            return not any(parameter in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters)
    return False
