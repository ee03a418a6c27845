"""How search words are compared. Every service that filters by words uses this rule."""

from __future__ import annotations

from unicodedata import combining, normalize


def fold_text(text: str) -> str:
    """Return the text in lower case, without accents and without spaces around it."""
    return "".join(character for character in normalize("NFKD", text).casefold() if not combining(character)).strip()
