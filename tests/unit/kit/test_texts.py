"""One-line texts and texts of several lines: which characters they accept, and that the tables are those of Unicode."""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import Annotated, Any

import pytest
from pydantic import StringConstraints, TypeAdapter, ValidationError

from shared.contracts.texts import (
    CONTROLS,
    INVISIBLE,
    INVISIBLE_ABOVE_FFFF,
    MULTI_LINE_PATTERN,
    ONE_LINE_PATTERN,
    REQUIRED_TEXT_PATTERN,
    MultiLineText,
    OneLineText,
    RequiredLongText,
    RequiredText,
    TextKey,
    name_on_one_line,
    one_line,
)
from shared.contracts.values import Currency, Email, Locale, Phone, TimeZone

ALL_CHARACTERS = [chr(number) for number in range(sys.maxunicode + 1) if not 0xD800 <= number <= 0xDFFF]
ONE_LINE: TypeAdapter[str] = TypeAdapter(OneLineText)
LINES: TypeAdapter[str] = TypeAdapter(MultiLineText)
LINE_CONTROLS = list("\t\n\r\0\x1b\x7f\x85\x9f\u2028\u2029\u202e\u2066\u200e\u200f\u061c")
OTHERS_WITHOUT_INK = set("\u2800\ufff9\ufffa\ufffb\U0001d159")  # the blank of Braille, marks of annotations, the null notehead
NOTHING = [
    " ",
    "\ufff9\ufffb",
    "\U0001d159",
    "\u3000 ",
    "\u200b",
    "\ufeff\u00ad",
    "\u3164",
    "\U000e0020",
    "\u2800",
    "\u034f\ufe0f",
    "\u2060",
]
NAMES = ["Zoë O'Neill", "李小龍", "עדי כהן", "محمد", "Ngũgĩ wa Thiong'o", "राम", "👩🏽‍⚕️ Ada", "A"]


def has_property(name: str) -> set[str]:
    """Return the characters with a property of Unicode, according to the regular expressions of pydantic-core."""
    characters: TypeAdapter[str] = TypeAdapter(Annotated[str, StringConstraints(pattern=rf"^\p{{{name}}}$")])
    return {character for character in ALL_CHARACTERS if _is_valid(characters, character)}


def _is_valid(adapter: TypeAdapter[Any], value: str) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def codes_of(adapter: TypeAdapter[Any], value: Any) -> list[str]:
    """Return the codes of the errors of a value."""
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(value)
    return [error["type"] for error in refused.value.errors()]


def members(ranges: str) -> set[str]:
    pattern = re.compile(f"[{ranges}]")
    return {character for character in ALL_CHARACTERS if pattern.match(character)}


def test_the_controls_are_those_of_unicode_with_separators_and_direction_controls() -> None:
    controls = {character for character in ALL_CHARACTERS if unicodedata.category(character) in ("Cc", "Zl", "Zp")}
    assert members(CONTROLS) == controls | has_property("Bidi_Control")


def test_what_shows_nothing_is_white_space_and_what_unicode_lets_programs_ignore() -> None:
    invisible = members(CONTROLS) | members(INVISIBLE) | members(INVISIBLE_ABOVE_FFFF)
    assert invisible == members(CONTROLS) | has_property("White_Space") | has_property("Default_Ignorable_Code_Point") | OTHERS_WITHOUT_INK


@pytest.mark.parametrize("control", LINE_CONTROLS)
@pytest.mark.parametrize("text", ["Sam{}Lee", "Sam Lee{}", "{}Sam Lee"])
def test_a_one_line_text_has_no_control_character_anywhere(control: str, text: str) -> None:
    assert codes_of(ONE_LINE, text.format(control)) == ["control_character"]
    assert codes_of(TypeAdapter(TextKey), text.format(control)) == ["control_character"]
    assert not re.search(ONE_LINE_PATTERN.replace("$", r"\Z"), text.format(control))


@pytest.mark.parametrize("text", NOTHING)
def test_a_text_that_shows_nothing_is_refused_where_a_text_is_required(text: str) -> None:
    assert codes_of(ONE_LINE, text) == ["control_character"]
    assert codes_of(TypeAdapter(RequiredText), text)[0] in ("control_character", "too_short")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_scripts_are_accepted_as_they_are(name: str) -> None:
    assert ONE_LINE.validate_python(f" {name} ") == name
    assert re.search(ONE_LINE_PATTERN, name)


@pytest.mark.parametrize("value", [None, 5, ["Sam"]])
def test_only_texts_are_texts(value: Any) -> None:
    assert codes_of(ONE_LINE, value)
    assert codes_of(LINES, value)


def test_a_text_of_several_lines_keeps_tabs_and_line_breaks() -> None:
    assert LINES.validate_python("a\tb\nc") == "a\tb\nc"
    assert LINES.validate_python("a\r\nb") == "a\nb"
    assert LINES.validate_python("אב\u200f C") == "אב\u200f C"
    assert all(re.search(MULTI_LINE_PATTERN, text) for text in ("", "a\tb\nc", "a\r\nb"))


@pytest.mark.parametrize("text_type", [RequiredText, RequiredLongText])
@pytest.mark.parametrize("text", ["\r\n", "\n", "\t ", "", "\u200f", "a", " a\r\nb\n", "אב\u200f C", *NOTHING, *NAMES])
def test_the_schema_of_a_required_text_knows_which_texts_show_nothing(text_type: Any, text: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(text_type)
    assert adapter.json_schema()["pattern"] == REQUIRED_TEXT_PATTERN
    if text not in ("\U0001d159", "\U000e0020"):  # above U+FFFF a schema cannot name them
        assert _is_valid(adapter, text) == bool(re.search(REQUIRED_TEXT_PATTERN, text))


@pytest.mark.parametrize("control", ["\r", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ud800"])
def test_a_text_of_several_lines_has_no_other_control_character(control: str) -> None:
    assert codes_of(LINES, f"a{control}b") == ["control_character"]
    assert codes_of(LINES, f"a{control}") == ["control_character"]


@pytest.mark.parametrize(
    ("field_type", "value"),
    [(Phone, "+49 30 123"), (Email, "sam@example.com"), (TimeZone, "UTC"), (Locale, "en"), (Currency, "EUR")],
)
@pytest.mark.parametrize("control", ["\n", "\t", "\u2028", "\u200f"])
def test_a_field_with_a_format_accepts_no_control_character_around_it(field_type: Any, value: str, control: str) -> None:
    assert codes_of(TypeAdapter(field_type), value + control)
    assert codes_of(TypeAdapter(field_type), control + value)


def test_a_stored_text_from_before_becomes_a_valid_line() -> None:
    assert one_line("Sam\r\nLee\t\u202eMD\ud800\n") == "Sam Lee MD"
    assert [one_line(text) for text in ("", "\n", "\u200b")] == ["", "", ""]
    assert [one_line(name) for name in NAMES] == [name_on_one_line(name) for name in NAMES] == NAMES
    assert name_on_one_line("\u200b\n") == "?"
