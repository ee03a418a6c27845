"""The shipped templates: every kind, audience and language, and nothing in them that could fail."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from notify_svc.clients.languages import date_format, find_language, shipped_languages
from notify_svc.clients.mail_variables import template_context
from notify_svc.clients.template_engine import check_template
from notify_svc.clients.template_examples import example_content, longest_content
from notify_svc.domain.notifications import CANCELLING_KINDS, KINDS_ABOUT_PATIENTS, KINDS_WITHOUT_APPOINTMENT, Audience, MessageKind
from notify_svc.domain.templates import TEMPLATES, template_name
from tests.unit.notify.builders import CLINIC

LANGUAGES = ("de", "en", "es", "fr")
REVISIONS = {
    "de": (4, "dab32439546b14b7"),
    "en": (4, "d27e536c621bf019"),
    "es": (4, "1942b11e951c3e41"),
    "fr": (4, "9672cbd9c7f8877f"),
}
"""The revision of each language and the digest of its templates. Raise the revision with every change, so that the ETags change too."""
ABOUT_VISITS = set(MessageKind) - KINDS_WITHOUT_APPOINTMENT
WITHOUT_AUDIENCE = {
    (MessageKind.GIVEN_AWAY, Audience.PATIENT),
    (MessageKind.AMENDED, Audience.DOCTOR),
    (MessageKind.REMINDER, Audience.DOCTOR),
}


def digest_of(language: str) -> str:
    templates = {kind: [item.content.subject, item.content.text] for kind, item in shipped_languages()[language].templates.items()}
    return hashlib.sha256(json.dumps(templates, sort_keys=True).encode()).hexdigest()[:16]


def test_every_message_has_a_template() -> None:
    about_visits = {(kind, audience) for kind in ABOUT_VISITS for audience in (Audience.PATIENT, Audience.DOCTOR)}
    to_owners = {(kind, Audience.OWNER) for kind in set(MessageKind) - ABOUT_VISITS - KINDS_ABOUT_PATIENTS}
    about_patients = {(kind, Audience.PATIENT) for kind in KINDS_ABOUT_PATIENTS}
    assert {(rules.kind, rules.audience) for rules in TEMPLATES.values()} == (about_visits - WITHOUT_AUDIENCE) | to_owners | about_patients
    assert CANCELLING_KINDS < ABOUT_VISITS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_template_and_word(language: str) -> None:
    languages = shipped_languages()
    assert tuple(languages) == LANGUAGES
    assert languages[language].templates.keys() == TEMPLATES.keys()
    for name in ("words", "modes", "titles"):
        assert getattr(languages[language], name).keys() == getattr(languages["en"], name).keys()
    assert all(word.strip() for word in languages[language].words.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_shipped_template_passes_the_check_of_overrides_and_has_all_its_variables(kind: str, language: str) -> None:
    shipped, rules = shipped_languages()[language].templates[kind], TEMPLATES[kind]
    longest = template_context(longest_content(rules, CLINIC, language), CLINIC, shipped_languages()[language])
    check_template(rules, shipped.content, longest.variables)
    example = example_content(rules, CLINIC, language)
    assert template_name(example.message) == kind
    words = template_context(example, CLINIC, shipped_languages()[language])
    assert rules.variables <= words.variables.keys()
    assert words.variables.keys() >= rules.required


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_changed_text_has_a_new_revision(language: str) -> None:
    revisions = {template.revision for template in shipped_languages()[language].templates.values()}
    assert [(revision, digest_of(language)) for revision in revisions] == [REVISIONS[language]]


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en", "Monday, 9 March 2026, 14:05"),
        ("en-GB", "Monday, 9 March 2026, 14:05"),
        ("en-US", "Monday, March 9, 2026, 2:05 PM"),
        ("en-XX", "Monday, 9 March 2026, 14:05"),
        ("de", "Montag, 9. März 2026, 14:05 Uhr"),
        ("de-CH", "Montag, 9. März 2026, 14:05 Uhr"),
        ("DE_at", "Montag, 9. März 2026, 14:05 Uhr"),
        ("fr", "lundi 9 mars 2026 à 14:05"),
        ("fr-CA", "lundi 9 mars 2026 à 14 h 05"),
        ("es-MX", "lunes, 9 de marzo de 2026, 2:05 p.m."),
        ("es-x-y-z", "lunes, 9 de marzo de 2026, 14:05"),
    ],
)
def test_dates_are_written_as_in_the_region_of_the_recipient(locale: str, expected: str) -> None:
    dates = date_format(find_language(locale), locale, "Europe/Berlin")
    assert dates.instant(datetime(2026, 3, 9, 13, 5, tzinfo=UTC)) == expected


@pytest.mark.parametrize(
    ("locales", "language"),
    [
        (("de-CH", "fr"), "de"),
        ((None, "fr"), "fr"),
        (("xx", "es-MX"), "es"),
        (("zh-Hant", None), "en"),
        ((None, None), "en"),
        (("",), "en"),
    ],
)
def test_the_language_is_that_of_the_first_locale_that_is_shipped(locales: tuple[str | None, ...], language: str) -> None:
    assert find_language(*locales).code == language
