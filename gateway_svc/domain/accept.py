"""What a client asks for in its Accept header (RFC 9110 section 12.5.1)."""

from __future__ import annotations


def names_media_type(accept: str, media_type: str) -> bool:
    """Return whether the header names the media type itself, not only `*/*`, and does not exclude it with `q=0`."""
    for media_range in accept.split(","):
        name, *parameters = (part.strip().lower() for part in media_range.split(";"))
        if name == media_type:
            return not any(parameter in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters)
    return False
