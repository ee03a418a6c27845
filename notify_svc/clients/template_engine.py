"""Jinja2 for the texts of mails, reduced to variables and conditions: no loops, no calls, no attributes, no arithmetic.

What a text can do is a list of allowed syntax, not a list of forbidden one, so a mail is at most as long as its variables make it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from notify_svc.domain.template_refusals import (
    TemplateSyntaxInvalid,
    TemplateTooLong,
    TemplateVariableMissing,
    TemplateVariableUnknown,
)
from notify_svc.domain.templates import (
    MAX_RENDERED_SUBJECT,
    MAX_RENDERED_TEXT,
    NOT_IN_SUBJECTS,
    OPTIONAL_VARIABLES,
    MailText,
    TemplateRules,
)

ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined)
ALLOWED_SYNTAX = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.Not, nodes.And, nodes.Or)
UNREADABLE = (TemplateError, SyntaxError, ValueError, RecursionError, MemoryError)
"""What Jinja2 and Python raise for a text that is no template, is nested too deeply, or has a number that is too large."""
MAX_SHOWN_LENGTH = 40
Variables = Mapping[str, Any]


@lru_cache(maxsize=1024)
def compile_template(source: str) -> Template:
    """Return a compiled template. It is compiled once for each text."""
    return ENVIRONMENT.from_string(source)


def render_template(template: MailText, variables: Variables) -> MailText:
    """Return subject and text of a mail: the subject on one line, the text without superfluous blank lines, with a line feed at its end."""
    subject = compile_template(template.subject).render(variables)
    lines = [line.rstrip() for line in compile_template(template.text).render(variables).split("\n")]
    text = "\n".join(line for number, line in enumerate(lines) if line or (number and lines[number - 1]))
    return MailText(" ".join(subject.split()), f"{text.strip()}\n")


def check_template(rules: TemplateRules, template: MailText, longest: Variables) -> None:
    """Raise the refusal of a template that cannot be used for every mail of its kind.

    `longest` are the variables with the longest names and places.
    """
    _check_syntax("/subject", template.subject, rules.variables - NOT_IN_SUBJECTS)
    _check_syntax("/text", template.text, rules.variables)
    _check_required(rules, template)
    _check_length(rules, template, longest)


def _check_syntax(pointer: str, source: str, variables: frozenset[str]) -> None:
    """Check the parsed template before it is compiled, because compiling evaluates constant expressions."""
    try:
        tree = ENVIRONMENT.parse(source)
        parsed = list(_nodes_of(tree))
    except UNREADABLE as error:
        raise _unreadable(pointer, error) from None
    for node in parsed:
        if not isinstance(node, ALLOWED_SYNTAX):
            raise TemplateSyntaxInvalid(f"Line {node.lineno}: only variables and conditions are allowed.", pointer=pointer)
        if isinstance(node, nodes.Name) and node.name not in variables:
            allowed = ", ".join(sorted(variables))
            shown = node.name[:MAX_SHOWN_LENGTH]
            raise TemplateVariableUnknown(
                f"Line {node.lineno}: there is no variable `{shown}` here. There are: {allowed}.", pointer=pointer
            )
    try:
        compile_template(source)
    except UNREADABLE as error:
        raise _unreadable(pointer, error) from None


def _nodes_of(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _nodes_of(child)


def _unreadable(pointer: str, error: BaseException) -> TemplateSyntaxInvalid:
    """Return the refusal of a text that is no template, with the line that the error names. The error's own text may repeat the input."""
    line = getattr(error, "lineno", None)
    if not isinstance(error, TemplateError) or not line:
        return TemplateSyntaxInvalid("The template is nested too deeply, or a part of it is too large.", pointer=pointer)
    return TemplateSyntaxInvalid(f"Line {line}: a tag is not closed, unknown, or contains something that cannot be read.", pointer=pointer)


def _check_required(rules: TemplateRules, template: MailText) -> None:
    """Render the text with a mark in place of every variable, with and without each optional one, and look for the marks."""
    marks = {name: f"\ue000{name}\ue001" for name in rules.variables}
    if "details" in marks:
        marks["details"] = " ".join(marks[name] for name in sorted(rules.required))
    for variables in _with_and_without_optional(rules, template, marks):
        text = render_template(template, variables).text
        missing = sorted(name for name in rules.required if marks[name] not in text)
        if missing:
            names = " and ".join(f"`{name}`" for name in missing)
            raise TemplateVariableMissing(f"In some mails of this kind the text would lack {names}.", pointer="/text")


def _check_length(rules: TemplateRules, template: MailText, longest: Variables) -> None:
    for variables in _with_and_without_optional(rules, template, longest):
        rendered = render_template(template, variables)
        if not rendered.subject:
            raise TemplateTooLong("In some mails of this kind the subject would be empty.", pointer="/subject")
        if len(rendered.subject) > MAX_RENDERED_SUBJECT:
            detail = f"With the longest names the subject would have more than {MAX_RENDERED_SUBJECT} characters."
            raise TemplateTooLong(detail, pointer="/subject")
        if len(rendered.text) > MAX_RENDERED_TEXT:
            raise TemplateTooLong(f"With the longest names the text would have more than {MAX_RENDERED_TEXT} characters.", pointer="/text")


def _with_and_without_optional(rules: TemplateRules, template: MailText, variables: Variables) -> Iterator[Variables]:
    """Yield the variables with every combination of the optional ones that the template mentions."""
    source = f"{template.subject}\n{template.text}"
    optional = sorted(name for name in rules.variables & OPTIONAL_VARIABLES if name in source)
    for absent in itertools.product((False, True), repeat=len(optional)):
        yield {**variables, **{name: "" for name, is_absent in zip(optional, absent, strict=True) if is_absent}}
