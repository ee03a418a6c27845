"""The shipped templates, and the check and the preview of a template that an admin wants to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from notify_svc.clients.html_body import html_body, with_signature
from notify_svc.clients.languages import shipped_languages
from notify_svc.clients.mail_variables import template_context
from notify_svc.clients.template_engine import check_template, render_template
from notify_svc.clients.template_examples import example_content, longest_content
from notify_svc.domain.mail_content import Clinic
from notify_svc.domain.templates import TEMPLATES, MailText, ShippedTemplate, TemplatePreview


@dataclass(frozen=True, slots=True)
class JinjaTemplateLibrary:
    """Implements TemplateLibrary."""

    clinic: Callable[[], Clinic]

    def list_shipped(self) -> Sequence[ShippedTemplate]:
        languages = shipped_languages().values()
        return [language.templates[kind] for kind in sorted(TEMPLATES) for language in languages]

    def find_shipped(self, kind: str, locale: str) -> ShippedTemplate | None:
        language = shipped_languages().get(locale)
        return language.templates.get(kind) if language else None

    def check(self, shipped: ShippedTemplate, content: MailText) -> None:
        rules, language = TEMPLATES[shipped.kind], shipped_languages()[shipped.locale]
        clinic = self.clinic()
        longest = template_context(longest_content(rules, clinic, shipped.locale), clinic, language)
        check_template(rules, content, longest.variables)

    def preview(self, shipped: ShippedTemplate, content: MailText) -> TemplatePreview:
        language, clinic = shipped_languages()[shipped.locale], self.clinic()
        example = example_content(TEMPLATES[shipped.kind], clinic, shipped.locale)
        context = template_context(example, clinic, language)
        mail = with_signature(render_template(content, context.variables), clinic)
        links = [link for link in (context.variables.get("link"), example.visit_link, example.unsubscribe_link) if link]
        return TemplatePreview(mail.subject, mail.text, html_body(mail, language.code, context, links, clinic))
