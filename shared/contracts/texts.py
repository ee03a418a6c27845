"""The text types of request bodies and query parameters: texts of one line, such as names, and texts of several lines, such as reasons."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

# Ranges of characters as regular expressions of ECMA 262, Python and Rust write them, because they also stand in the OpenAPI document.
CONTROLS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""C0, DEL, C1, the line and paragraph separators, and Unicode's property Bidi_Control."""
MULTI_LINE_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""CONTROLS without the tab, the line feed, and the marks for mixed writing directions, which texts in Arabic and Hebrew need."""
INVISIBLE = (  # White_Space and Default_Ignorable_Code_Point of Unicode up to U+FFFF, the blank of Braille, and marks of annotations
    r"\x20\xa0\xad\u034f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200d\u202f\u205f-\u2065\u206a-\u206f\u2800\u3000\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
INVISIBLE_ABOVE_FFFF = r"\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"

ONE_LINE_PATTERN = rf"^[^{CONTROLS}]*[^{CONTROLS}{INVISIBLE}][^{CONTROLS}]*$"
MULTI_LINE_PATTERN = rf"^([^{MULTI_LINE_CONTROLS}]|\r\n)*$"
REQUIRED_TEXT_PATTERN = rf"^([^{MULTI_LINE_CONTROLS}]|\r\n)*[^{CONTROLS}{INVISIBLE}]([^{MULTI_LINE_CONTROLS}]|\r\n)*$"

_CONTROL = re.compile(rf"[{CONTROLS}\ud800-\udfff]")
_MULTI_LINE_CONTROL = re.compile(rf"[{MULTI_LINE_CONTROLS}\ud800-\udfff]")
_VISIBLE = re.compile(rf"[^{CONTROLS}{INVISIBLE}{INVISIBLE_ABOVE_FFFF}]")


@dataclass(frozen=True, slots=True)
class SchemaKeywords:
    """Adds keywords to the JSON schema of a type."""

    pattern: str | None = None
    format: str | None = None

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        keywords = {"pattern": self.pattern, "format": self.format}
        return handler(schema) | {name: value for name, value in keywords.items() if value is not None}


def _refuse_match(control: re.Pattern[str]) -> Callable[[Any], Any]:
    """Return a validator that refuses texts with a control character. It runs before spaces are stripped, which would hide some."""

    def refuse(value: Any) -> Any:
        if isinstance(value, str) and control.search(value):
            raise PydanticCustomError("control_character", "Control characters are not accepted.")
        return value

    return refuse


def _require_visible(value: Any) -> Any:
    if isinstance(value, str) and value and not _VISIBLE.search(value):
        raise PydanticCustomError("control_character", "The text must have a visible character.")
    return value


def _join_line_ends(value: Any) -> Any:
    """Return the text with line feeds for the line ends of Windows."""
    return value.replace("\r\n", "\n") if isinstance(value, str) else value


def one_line(text: str) -> str:
    """Return a text on one line, with single spaces; an empty text if no character is visible.

    For texts that were stored when control characters were still accepted.
    """
    line = " ".join(_CONTROL.sub(" ", text).split())
    return line if _VISIBLE.search(line) else ""


def name_on_one_line(name: str) -> str:
    """Return a stored name as a request accepts it; a question mark if no character is visible."""
    return one_line(name) or "?"


NoControls = BeforeValidator(_refuse_match(_CONTROL))
"""Refuses control characters and line breaks, also around the text. For fields with a format of their own, such as a phone number."""

TextKey = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    BeforeValidator(_require_visible),
    NoControls,
]
"""The key of a map, with the rules of OneLineText. Its schema has no pattern, with which generated clients do not recognise a map."""
OneLineText = Annotated[TextKey, SchemaKeywords(pattern=ONE_LINE_PATTERN)]
"""A name, title or place: up to 200 characters without control characters and line breaks, one of them visible."""
MultiLineText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2000),
    BeforeValidator(_refuse_match(_MULTI_LINE_CONTROL)),
    BeforeValidator(_join_line_ends),
    SchemaKeywords(pattern=MULTI_LINE_PATTERN),
]
"""Free text: up to 2000 characters. Tabs and line breaks are the only control characters."""
_RequireVisible = AfterValidator(_require_visible)
_RequiredKeywords = SchemaKeywords(pattern=REQUIRED_TEXT_PATTERN)
RequiredText = Annotated[MultiLineText, Field(min_length=1, max_length=500), _RequireVisible, _RequiredKeywords]
"""Free text of up to 500 characters, one of them visible."""
ClinicMessageText = Annotated[MultiLineText, Field(min_length=1), _RequireVisible, _RequiredKeywords]
"""What the clinic writes to patients: up to 2000 characters, one of them visible."""
RequiredLongText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=5000),
    BeforeValidator(_refuse_match(_MULTI_LINE_CONTROL)),
    BeforeValidator(_join_line_ends),
    Field(min_length=1),
    _RequireVisible,
    _RequiredKeywords,
]
"""The text of a template: up to 5000 characters, with the rules of RequiredText."""
