"""How words are compared that people search by: a rule of every service that filters by them."""

from __future__ import annotations

from unicodedata import combining, normalize


def fold_text(text: str) -> str:
    """Without case and accents."""
    return "".join(sign for sign in normalize("NFKD", text).casefold() if not combining(sign)).strip()
