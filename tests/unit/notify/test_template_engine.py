"""What an admin may write into a template: variables and conditions that are safe for every mail of the kind."""

from __future__ import annotations

import time

import pytest

from notify_svc.clients.languages import shipped_languages
from notify_svc.clients.mail_variables import template_context
from notify_svc.clients.template_engine import check_template, render_template
from notify_svc.clients.template_examples import longest_content
from notify_svc.domain.template_refusals import (
    TemplateSyntaxInvalid,
    TemplateTooLong,
    TemplateVariableMissing,
    TemplateVariableUnknown,
)
from notify_svc.domain.templates import MAX_TEXT_LENGTH, TEMPLATES, MailText
from shared.contracts.refusals import Invalid
from tests.unit.notify.builders import CLINIC


def check(text: str, kind: str = "booked", subject: str = "Your visit") -> None:
    words = template_context(longest_content(TEMPLATES[kind], CLINIC, "en"), CLINIC, shipped_languages()["en"])
    check_template(TEMPLATES[kind], MailText(subject, text), words.variables)


def refusal_of(text: str, kind: str = "booked", subject: str = "Your visit") -> Invalid:
    with pytest.raises(Invalid) as raised:
        check(text, kind, subject)
    assert len(raised.value.detail) < 600
    return raised.value


@pytest.mark.parametrize(
    "text",
    [
        "{% for number in range(10 ** 9) %}x{% endfor %}",
        "{{ name.__class__ }}",
        "{{ name['__class__'] }}",
        "{{ name | attr('__class__') }}",
        "{{ name | upper }}",
        "{{ greeting() }}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ name ~ name }}",
        "{{ name if name else place }}",
        "{% set name = 1 %}",
        "{% macro f() %}{% endmacro %}",
        "{% include 'email.html' %}",
        "{% extends 'base' %}",
        "{% import 'x' as y %}",
        "{% block x %}{% endblock %}",
        "{% if name is defined %}x{% endif %}",
        "{% if name == place %}x{% endif %}",
        "{% raw %}x",
        "{{ 'text' }}",
        "{{ [name] }}",
        "{{ name",
        "{% if name %}",
        "{% nonsense %}",
        "{{ }}",
        "{{ " + "9" * 4900 + " }}",
        "{{ " + "(" * 2000 + "name" + ")" * 2000 + " }}",
        "{% if name %}" * 150 + "{% endif %}" * 150,
        "{{ " + "not " * 1000 + "name }}",
    ],
)
def test_anything_but_variables_and_conditions_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    refusal = refusal_of(f"{{{{ details }}}}\n{text}")
    assert isinstance(refusal, TemplateSyntaxInvalid)
    assert (refusal.code, refusal.facts["pointer"]) == ("template_syntax", "/text")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("name", ["service_name", "reason", "diagnosis", "self", "range", "patient", "clinic", "link", "x" * 3000])
def test_an_unknown_variable_is_refused_with_its_name_and_the_known_ones(name: str) -> None:
    refusal = refusal_of(f"{{{{ details }}}}\n\n{{{{ {name} }}}}")
    assert isinstance(refusal, TemplateVariableUnknown)
    assert f"Line 3: there is no variable `{name[:40]}`" in refusal.detail
    assert "doctor_name" in refusal.detail


@pytest.mark.parametrize("name", ["details", "visit_link", "greeting", "nothing"])
def test_a_subject_has_one_line_and_no_link(name: str) -> None:
    refusal = refusal_of("{{ details }}", subject=f"{{{{ {name} }}}}")
    assert (refusal.code, refusal.facts["pointer"]) == ("template_variable_unknown", "/subject")


@pytest.mark.parametrize(
    ("kind", "text", "missing"),
    [
        ("booked", "Come to us.", "`doctor_name` and `starts_at`"),
        ("booked", "{{ starts_at }}", "`doctor_name`"),
        ("booked", "{% if visit_link %}{{ details }}{% endif %}", "`doctor_name` and `starts_at`"),
        ("booked", "{% if not place %}{{ details }}{% endif %}", "`doctor_name` and `starts_at`"),
        ("rescheduled", "{% if needs_approval %}{{ details }}{% else %}{{ starts_at }}{% endif %}", "`doctor_name`"),
        ("booked_doctor", "{{ starts_at }}", "`patient_name`"),
        ("reminder", "{{ doctor_name }}", "`starts_at`"),
        ("invited", "{{ code }}", "`link`"),
        ("reset", "Choose a password.", "`link`"),
        ("digest", "{{ times }}", "`date`"),
        ("webhook_paused", "{{ since }}", "`host`"),
    ],
)
def test_a_text_that_lacks_in_some_mail_what_its_reader_must_know_is_refused(kind: str, text: str, missing: str) -> None:
    refusal = refusal_of(text, kind)
    assert isinstance(refusal, TemplateVariableMissing)
    assert f"would lack {missing}." in refusal.detail


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("booked", "{{ details }}"),
        ("booked", "{{ starts_at }} {{ doctor_name }}{# a comment #} 50 % {id} { }"),
        ("booked", "{% if visit_link %}{{ starts_at }}{% else %}{{ details }}{% endif %} {{ doctor_name }}"),
        ("booked", "{{ details }}{% if place and not name or visit_link %}{{ place }}{% elif mode %}x{% endif %}"),
        ("invited", "{{ link }}"),
        ("password_changed", "Your password was changed."),
    ],
)
def test_texts_of_variables_and_conditions_are_accepted(kind: str, text: str) -> None:
    check(text, kind)


@pytest.mark.parametrize(
    ("subject", "text", "pointer"),
    [
        ("{{ doctor_name }} {{ place }}", "{{ details }}", "/subject"),
        ("{% if place %}{{ place }}{% endif %}", "{{ details }}", "/subject"),
        ("x", "{{ details }}\n" * 60, "/text"),
        ("x", "{{ details }}" * (MAX_TEXT_LENGTH // 13), "/text"),
        ("x", "{{ starts_at }} {{ doctor_name }}" + "{% if not place %}" + "{{ name }}" * 120 + "{% endif %}", "/text"),
    ],
)
def test_a_mail_that_would_be_too_long_or_without_subject_is_refused(subject: str, text: str, pointer: str) -> None:
    refusal = refusal_of(text, subject=subject)
    assert isinstance(refusal, TemplateTooLong)
    assert refusal.facts["pointer"] == pointer


def test_values_are_not_templates_themselves() -> None:
    mail = render_template(MailText("{{ name }}", "{{ name }}"), {"name": "{{ 7 * 7 }} {% for %}"})
    assert mail == MailText("{{ 7 * 7 }} {% for %}", "{{ 7 * 7 }} {% for %}\n")


def test_a_left_out_part_leaves_no_blank_lines_and_a_subject_has_one_line() -> None:
    text = "\n\nA  \n\n{% if place %}B{% endif %}\n\n\n\nC\nD\n"
    assert render_template(MailText("x\n{{ name }}", text), {"place": "", "name": "y\r\nz"}) == MailText("x y z", "A\n\nC\nD\n")
