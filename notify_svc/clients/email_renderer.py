"""Rendering of mails: text, HTML and a calendar file. None of them says anything about health."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from uuid import UUID

from email_validator import EmailNotValidError

from notify_svc.clients import mime
from notify_svc.clients.addresses import MailAddress, mail_address
from notify_svc.clients.html_body import html_body, with_signature
from notify_svc.clients.languages import Language, find_language
from notify_svc.clients.mail_calendar import calendar_part
from notify_svc.clients.mail_variables import TemplateContext, template_context
from notify_svc.clients.template_engine import render_template
from notify_svc.domain.mail_content import Clinic, MailContent
from notify_svc.domain.templates import NO_OVERRIDES, MailText, Overrides, template_name
from notify_svc.ports import InvalidAddress, RenderedMail
from shared.contracts.derived_ids import derive_id
from shared.kit.icalendar import CalendarUser
from shared.kit.logs import log_event


class JinjaEmailRenderer:
    """Implements EmailRenderer with the languages in `notify_svc/templates`. `count_failure` counts overrides that could not be used."""

    def __init__(self, clinic: Clinic, count_failure: Callable[[str], None] = lambda _kind: None) -> None:
        self._clinic = clinic
        self._count_failure = count_failure
        self._sender = mail_address(clinic.name, clinic.email)
        self._organizer = CalendarUser(self._sender.address, clinic.name)
        reply_to = mail_address(clinic.name, clinic.reply_to) if clinic.reply_to else self._sender
        self._from = [("From", self._sender.header)] + ([("Reply-To", reply_to.header)] if reply_to != self._sender else [])

    def render(self, content: MailContent, now: datetime, overrides: Overrides = NO_OVERRIDES) -> RenderedMail:
        language = find_language(content.recipient.locale, self._clinic.locale)
        try:
            recipient = mail_address(content.recipient.name, content.recipient.email)
        except EmailNotValidError as error:
            raise InvalidAddress from error
        context = template_context(content, self._clinic, language)
        mail = with_signature(self._text(template_name(content.message), language, context, overrides), self._clinic)
        links = [link for link in (context.variables.get("link"), content.visit_link, content.unsubscribe_link) if link]
        html = html_body(mail, language.code, context, links, self._clinic)
        parts = [mime.text_part("plain", mail.text), mime.text_part("html", html)]
        headers = [*self._headers(content, recipient, mail.subject, now), ("Content-Language", language.code)]
        calendar = calendar_part(content, language, self._organizer, recipient, now, clinic_address=self._clinic.address)
        data = mime.mail_with_parts(content.message.id.hex, headers, parts, calendar)
        needs_smtputf8 = not (self._sender.address + recipient.address).isascii()
        return RenderedMail(self.internet_message_id(content.message.id), self._sender.address, recipient.address, data, needs_smtputf8)

    def internet_message_id(self, message_id: UUID) -> str:
        """Return the Message-ID of the mail of a message (RFC 5322)."""
        return f"<{message_id}@{self._sender.domain}>"

    def _text(self, kind: str, language: Language, context: TemplateContext, overrides: Overrides) -> MailText:
        """Return subject and text: those of the override, or the shipped ones if there is none or it fails."""
        override = overrides.get((kind, language.code))
        if override is not None:
            try:
                return render_template(override, context.variables)
            except Exception as error:
                log_event("template_failed", logging.ERROR, error=error, template=kind, locale=language.code)
                self._count_failure(kind)
        return render_template(language.templates[kind].content, context.variables)

    def _headers(self, content: MailContent, to: MailAddress, subject: str, now: datetime) -> list[tuple[str, str]]:
        headers = [
            ("Date", format_datetime(now.astimezone(UTC))),
            *self._from,
            ("To", to.header),
            ("Subject", mime.header_text("Subject", subject)),
            ("Message-ID", self.internet_message_id(content.message.id)),
            ("Auto-Submitted", "auto-generated"),
            ("MIME-Version", "1.0"),
        ]
        if thread := self._thread_id(content):
            headers += [("In-Reply-To", thread), ("References", thread)]
        if content.unsubscribe_link:
            headers += [("List-Unsubscribe", f"<{content.unsubscribe_link}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]
        return headers

    def _thread_id(self, content: MailContent) -> str | None:
        """Return the id that all mails about one visit to one recipient refer to, so that mail programs show them together.

        No mail has this id itself: a conversation does not depend on which of its mails arrives first.
        """
        appointment_id = content.message.facts.get("appointment_id")
        if content.appointment is None or appointment_id is None:
            return None
        return f"<{derive_id(UUID(appointment_id), content.message.recipient_id, 'thread')}@{self._sender.domain}>"


class CurrentClinicRenderer:
    """Implements EmailRenderer for a clinic whose name, address or language can change at any time."""

    def __init__(self, clinic: Callable[[], Clinic], count_failure: Callable[[str], None]) -> None:
        self._clinic, self._count_failure = clinic, count_failure
        self._rendered_clinic = clinic()
        self._renderer = JinjaEmailRenderer(self._rendered_clinic, count_failure)

    def render(self, content: MailContent, now: datetime, overrides: Overrides = NO_OVERRIDES) -> RenderedMail:
        clinic = self._clinic()
        if clinic != self._rendered_clinic:
            self._renderer, self._rendered_clinic = JinjaEmailRenderer(clinic, self._count_failure), clinic
        return self._renderer.render(content, now, overrides)

    def internet_message_id(self, message_id: UUID) -> str:
        """Return the Message-ID of the mail of a message (RFC 5322). It depends on the sender's address only, which does not change."""
        return self._renderer.internet_message_id(message_id)
