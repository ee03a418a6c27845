"""Templates of mails: which there are, and which variables their texts may and must have.

A template is named after the kind of message. Where patient and doctor get different texts, the doctor's has the suffix `_doctor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind

MAX_TEXT_LENGTH = 5000
"""The longest text of a template, in characters."""
MAX_RENDERED_SUBJECT, MAX_RENDERED_TEXT = 2000, 20_000
"""The longest subject and text of a mail, in characters, with the longest names and places.

A name and a place have up to 200 characters, and a doctor's name with the title 401: a subject may name everybody and the place.
"""

FOR_EVERY_MAIL = frozenset({"greeting", "name", "clinic_name"})
FOR_A_VISIT = FOR_EVERY_MAIL | {"details", "starts_at", "previous_starts_at", "patient_name", "mode", "place", "time_zone"}
FOR_A_PATIENT = FOR_A_VISIT | {"doctor_name"}
FOR_A_LINK = FOR_EVERY_MAIL | {"link", "code", "link_expires_at", "time_zone"}
TIME_AND_DOCTOR, TIME_AND_PATIENT = frozenset({"starts_at", "doctor_name"}), frozenset({"starts_at", "patient_name"})
OPTIONAL_VARIABLES = frozenset(
    {
        "name",
        "previous_starts_at",
        "place",
        "needs_approval",
        "place_changed",
        "doctor_name_changed",
        "visit_link",
        "unsubscribe_link",
    }
)
"""The variables that are empty, or false, in some mails. A text can ask for them with `{% if %}`."""
NOT_IN_SUBJECTS = frozenset({"greeting", "details", "times", "message", "link", "code", "visit_link", "unsubscribe_link"})
"""The variables that a subject cannot have, because they have several lines or are for the recipient alone."""


@dataclass(frozen=True, slots=True)
class TemplateRules:
    """The message that a template is for, the `variables` that its text may have, and the `required` ones.

    A required variable is in every mail, whatever the optional ones are. `details` contains the time and the names of the visit.
    """

    kind: MessageKind
    audience: Audience
    variables: frozenset[str]
    required: frozenset[str] = frozenset()


def _for_patient(kind: MessageKind, *more: str) -> TemplateRules:
    return TemplateRules(kind, Audience.PATIENT, FOR_A_PATIENT | set(more), TIME_AND_DOCTOR)


def _for_doctor(kind: MessageKind, *more: str) -> TemplateRules:
    return TemplateRules(kind, Audience.DOCTOR, FOR_A_VISIT | set(more), TIME_AND_PATIENT)


def _for_owner(kind: MessageKind, variables: frozenset[str], *required: str) -> TemplateRules:
    return TemplateRules(kind, Audience.OWNER, variables, frozenset(required))


TEMPLATES: Mapping[str, TemplateRules] = {
    "requested": _for_patient(MessageKind.REQUESTED),
    "requested_doctor": _for_doctor(MessageKind.REQUESTED),
    "booked": _for_patient(MessageKind.BOOKED, "visit_link"),
    "booked_doctor": _for_doctor(MessageKind.BOOKED),
    "rescheduled": _for_patient(MessageKind.RESCHEDULED, "visit_link", "needs_approval"),
    "rescheduled_doctor": _for_doctor(MessageKind.RESCHEDULED, "needs_approval"),
    "amended": _for_patient(MessageKind.AMENDED, "visit_link", "place_changed", "doctor_name_changed"),
    "given_away": _for_doctor(MessageKind.GIVEN_AWAY),
    "cancelled": _for_patient(MessageKind.CANCELLED),
    "cancelled_doctor": _for_doctor(MessageKind.CANCELLED),
    "declined": _for_patient(MessageKind.DECLINED),
    "declined_doctor": _for_doctor(MessageKind.DECLINED),
    "expired": _for_patient(MessageKind.EXPIRED),
    "expired_doctor": _for_doctor(MessageKind.EXPIRED),
    "reminder": _for_patient(MessageKind.REMINDER, "visit_link", "unsubscribe_link"),
    "digest": _for_owner(MessageKind.DIGEST, FOR_EVERY_MAIL | {"date", "count", "times", "time_zone", "unsubscribe_link"}, "date", "times"),
    "invited": _for_owner(MessageKind.INVITED, FOR_A_LINK, "link"),
    "reset": _for_owner(MessageKind.RESET, FOR_A_LINK, "link"),
    "password_changed": _for_owner(MessageKind.PASSWORD_CHANGED, FOR_EVERY_MAIL),
    "account_locked": _for_owner(MessageKind.ACCOUNT_LOCKED, FOR_EVERY_MAIL),
    "record_opened": TemplateRules(
        MessageKind.RECORD_OPENED,
        Audience.PATIENT,
        FOR_EVERY_MAIL | {"patient_name", "opened_at", "readable_until", "time_zone"},
        frozenset({"patient_name", "opened_at"}),
    ),
    "clinic_message": TemplateRules(
        MessageKind.CLINIC_MESSAGE, Audience.PATIENT, FOR_EVERY_MAIL | {"patient_name", "message"}, frozenset({"message"})
    ),
    "webhook_paused": _for_owner(MessageKind.WEBHOOK_PAUSED, FOR_EVERY_MAIL | {"webhook_id", "host", "since", "time_zone"}, "host"),
}
_NAMES = {(rules.kind, rules.audience): name for name, rules in TEMPLATES.items()}


def template_name(message: Message) -> str:
    """Return the name of the template of a message. Raises KeyError for a message that has none."""
    return _NAMES[message.kind, message.audience]


@dataclass(frozen=True, slots=True)
class MailText:
    """Subject and text of a template, or of one mail."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class ShippedTemplate:
    """A template as it is shipped. `revision` grows when a later release changes it."""

    kind: str
    locale: str
    content: MailText
    revision: int


@dataclass(frozen=True, slots=True)
class TemplateOverride:
    """What an admin has made of a template: the content in place of the shipped one, or None after a reset.

    `changes` counts how often the template was replaced or reset.
    """

    kind: str
    locale: str
    content: MailText | None
    changes: int


@dataclass(frozen=True, slots=True)
class MailTemplate:
    """A template as it is in force. `default` is True for the shipped text; `version` grows with every change."""

    kind: str
    locale: str
    content: MailText
    default: bool
    version: int

    @classmethod
    def of(cls, shipped: ShippedTemplate, override: TemplateOverride | None) -> MailTemplate:
        """Return the template that is in force with an override, if there is one."""
        content = override.content if override else None
        version = shipped.revision + (override.changes if override else 0)
        return cls(shipped.kind, shipped.locale, content or shipped.content, content is None, version)

    @property
    def rules(self) -> TemplateRules:
        """Which variables the text may and must have."""
        return TEMPLATES[self.kind]


Overrides = Mapping[tuple[str, str], MailText]
"""The texts in place of shipped ones, by name of the template and language."""
NO_OVERRIDES: Overrides = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TemplatePreview:
    """A mail as it would be with example data."""

    subject: str
    text: str
    html: str
