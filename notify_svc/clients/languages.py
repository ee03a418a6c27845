"""The languages of mails: one file `templates/{language}.toml` each, with the words and the templates. Babel formats dates and times."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time

from notify_svc.domain.templates import MailText, ShippedTemplate
from shared.contracts.http import VisitMode

NARROW_SPACE = "\u202f"


@dataclass(frozen=True, slots=True)
class Language:
    """One language. `code` is its BCP 47 tag, `date_locale` the Babel locale of people whose own locale names no region.

    `modes` are the words for how a visit takes place, `titles` the titles of calendar entries. Words in braces are filled in.
    """

    code: str
    date_locale: str
    words: Mapping[str, str]
    modes: Mapping[VisitMode, str]
    titles: Mapping[VisitMode, str]
    templates: Mapping[str, ShippedTemplate]

    def greet(self, name: str) -> str:
        """Return the words that greet the recipient, whose name may be empty."""
        return self.words["greeting"].format(name=name) if name else self.words["greeting_without_name"]

    def detail(self, label: str, value: str) -> str:
        """Return one line of the details of a visit."""
        return self.words["detail"].format(label=label, value=value)


@dataclass(frozen=True, slots=True)
class DateFormat:
    """Writes dates and times in the language and the region of a recipient, in the recipient's IANA time zone."""

    language: Language
    locale: Locale
    zone: ZoneInfo

    def instant(self, instant: datetime) -> str:
        """Return an instant in words: `Monday, 9 March 2026, 14:00`."""
        local = instant.astimezone(self.zone)
        return self.language.words["date_and_time"].format(date=self.date(local.date()), time=self.time(instant))

    def date(self, day: date) -> str:
        """Return a date with its weekday in words."""
        return format_date(day, "full", self.locale).replace(NARROW_SPACE, " ")

    def time(self, instant: datetime) -> str:
        """Return the time of an instant: `14:00`."""
        return format_time(instant.astimezone(self.zone), "short", locale=self.locale).replace(NARROW_SPACE, " ")


def date_format(language: Language, locale: str | None, time_zone: str) -> DateFormat:
    """Return the formats for a recipient. A locale of another language, or of a region that is not known, has those of the language."""
    return DateFormat(language, _babel_locale(language.code, language.date_locale, locale or ""), ZoneInfo(time_zone))


@lru_cache(maxsize=512)
def _babel_locale(language: str, date_locale: str, locale: str) -> Locale:
    subtags = locale.replace("_", "-").split("-")
    if len(subtags) > 1 and subtags[0].lower() == language:
        try:
            return Locale.parse("-".join(subtags), sep="-")
        except (ValueError, UnknownLocaleError):
            pass
    return Locale.parse(date_locale)


@lru_cache(maxsize=1)
def shipped_languages() -> Mapping[str, Language]:
    """Return all languages, by code. They are read once."""
    toml_files = (file for file in (files("notify_svc") / "templates").iterdir() if file.name.endswith(".toml"))
    languages = [_read_language(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8"))) for file in toml_files]
    return {language.code: language for language in sorted(languages, key=lambda language: language.code)}


def find_language(*locales: str | None) -> Language:
    """Return the language of the first BCP 47 locale whose language is shipped; English if there is none."""
    languages = shipped_languages()
    codes = (locale.replace("_", "-").split("-")[0].lower() for locale in locales if locale)
    return next((languages[code] for code in codes if code in languages), languages["en"])


def _read_language(code: str, data: dict[str, Any]) -> Language:
    templates = {
        kind: ShippedTemplate(kind, code, MailText(template["subject"], template["text"].strip()), data["revision"])
        for kind, template in data["templates"].items()
    }
    return Language(code, data["date_locale"], data["words"], data["modes"], data["titles"], templates)
