"""The request and response models of templates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from notify_svc.domain.templates import MAX_TEXT_LENGTH, MailTemplate, MailText
from shared.contracts.texts import OneLineText, RequiredLongText
from shared.contracts.values import ReadModel, RequestModel

Subject = Annotated[OneLineText, Field(examples=["Appointment confirmed - {{ clinic_name }}"])]
Text = Annotated[
    RequiredLongText,
    Field(max_length=MAX_TEXT_LENGTH, examples=["{{ greeting }}\n\nYour appointment is confirmed.\n\n{{ details }}"]),
]
TemplateKind = Annotated[
    str, Field(description="A kind of message; texts for doctors that differ have the suffix `_doctor`.", examples=["booked"])
]
TemplateLocale = Annotated[str, Field(description="The language of the text (BCP 47).", examples=["en"])]


class ReplaceTemplate(RequestModel):
    """A subject and a text with variables and conditions of Jinja2, such as `{{ greeting }}` and `{% if place %}...{% endif %}`.

    HTML is made from the text: blank lines separate paragraphs, and `{{ details }}`, the details of the visit, becomes a table.
    """

    subject: Subject
    text: Text

    def to_mail_text(self) -> MailText:
        """Return subject and text."""
        return MailText(self.subject, self.text)


class PreviewTemplate(RequestModel):
    """What to show with example data. A subject or text that is left out is the one in force."""

    subject: Subject | None = None
    text: Text | None = None


class TemplateOut(ReadModel):
    """The template that is in force for a kind of mail in one language. `default` is true for the shipped text.

    `variables` may occur in the text, in the subject those that have one line and are no links. `required` are in every mail.
    """

    kind: TemplateKind
    locale: TemplateLocale
    subject: Subject
    text: Text
    default: bool
    variables: list[str] = Field(examples=[["clinic_name", "details", "greeting"]])
    required: list[str] = Field(examples=[["doctor_name", "starts_at"]])
    version: int

    @classmethod
    def of(cls, template: MailTemplate) -> TemplateOut:
        """Return the response for a template."""
        rules, content = template.rules, template.content
        return cls(
            kind=template.kind,
            locale=template.locale,
            subject=content.subject,
            text=content.text,
            default=template.default,
            variables=sorted(rules.variables),
            required=sorted(rules.required),
            version=template.version,
        )


class TemplatePreviewOut(ReadModel):
    """A mail with example data: its subject, and its text as plain text and as HTML."""

    subject: str = Field(examples=["Appointment confirmed - Careslot Clinic"])
    text: str
    html: str
