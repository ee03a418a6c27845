"""The variables of templates: what one mail says, in the recipient's language and time zone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from notify_svc.clients.languages import DateFormat, Language, date_format
from notify_svc.domain.mail_content import AppointmentDetails, Clinic, MailContent
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind

DetailRows = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """What a template is rendered with: its variables, and the details of the visit as label and value, for the table in HTML."""

    variables: dict[str, Any]
    rows: DetailRows


def template_context(content: MailContent, clinic: Clinic, language: Language) -> TemplateContext:
    """Return the context of a mail. Variables that are not known are empty."""
    dates = date_format(language, content.recipient.locale or clinic.locale, content.recipient.time_zone)
    variables: dict[str, Any] = {
        "greeting": language.greet(content.recipient.name),
        "name": content.recipient.name,
        "clinic_name": clinic.name,
        "time_zone": content.recipient.time_zone,
        "visit_link": content.visit_link or "",
        "unsubscribe_link": content.unsubscribe_link or "",
    }
    rows: DetailRows = []
    if content.appointment is not None:
        rows = _detail_rows(content, content.appointment, language, dates)
        variables |= _visit_variables(content, content.appointment, language, dates)
        variables["details"] = "\n".join(language.detail(label, value) for label, value in rows)
    if content.link is not None:
        variables |= {
            "link": f"{clinic.public_url}/reset?token={content.link.token}",
            "code": content.link.token,
            "link_expires_at": dates.instant(content.link.expires_at),
        }
    return TemplateContext(variables | _own_variables(content, dates), rows)


def _own_variables(content: MailContent, dates: DateFormat) -> dict[str, Any]:
    """Return the variables of the kinds of mails that are not about one visit."""
    message, facts = content.message, content.message.facts
    if message.kind is MessageKind.RECORD_OPENED:
        opened_at, until = (dates.instant(datetime.fromisoformat(facts[name])) for name in ("occurred_at", "expires_at"))
        return {"patient_name": content.patient_name or "", "opened_at": opened_at, "readable_until": until}
    if message.kind is MessageKind.DIGEST:
        in_zone_of_digest = replace(dates, zone=ZoneInfo(facts["time_zone"]))
        times = ", ".join(in_zone_of_digest.time(datetime.fromisoformat(start)) for start in facts["starts"])
        day = dates.date(date.fromisoformat(facts["date"]))
        return {"date": day, "count": facts["count"], "times": times, "time_zone": facts["time_zone"]}
    if message.kind is MessageKind.WEBHOOK_PAUSED:
        since = dates.instant(datetime.fromisoformat(facts["failing_since"]))
        return {"webhook_id": facts["webhook_id"], "host": urlsplit(facts["url"]).hostname or "", "since": since}
    return {}


def _visit_variables(content: MailContent, appointment: AppointmentDetails, language: Language, dates: DateFormat) -> dict[str, Any]:
    message = content.message
    previous = _previous_start(message)
    return {
        "starts_at": dates.instant(datetime.fromisoformat(message.facts["starts_at"])),
        "previous_starts_at": dates.instant(previous) if previous else "",
        "doctor_name": appointment.doctor_name,
        "patient_name": appointment.patient_name or language.words["erased_patient"],
        "mode": language.modes[message.mode],
        "place": content.place or "",
        "needs_approval": message.facts.get("status") == "requested",
        "place_changed": "place" in message.visible_changes,
        "doctor_name_changed": "doctor_name" in message.visible_changes,
    }


def _detail_rows(content: MailContent, appointment: AppointmentDetails, language: Language, dates: DateFormat) -> DetailRows:
    """Return the details of a visit as label and value.

    They are the times in the recipient's zone, the doctor or the patient, how the visit takes place, and the place of a visit in person. A
    guardian reads both doctor and patient.
    """
    message, words = content.message, language.words
    rows = [(words["when"], dates.instant(datetime.fromisoformat(message.facts["starts_at"])))]
    if previous := _previous_start(message):
        rows.append((words["previously"], dates.instant(previous)))
    if message.audience is Audience.PATIENT:
        rows.append((_label("doctor_name", words["doctor"], message, language), appointment.doctor_name))
    if message.audience is Audience.DOCTOR or content.is_for_guardian:
        rows.append((words["patient"], appointment.patient_name or words["erased_patient"]))
    rows.append((words["mode"], language.modes[message.mode]))
    place_label = _label("place", words["location"], message, language)
    if content.place:
        rows.append((place_label, content.place))
    elif place_label != words["location"]:  # the place was removed
        rows.append((place_label, words["unknown_location"]))
    return rows


def _previous_start(message: Message) -> datetime | None:
    """Return the start before a move."""
    previous = message.facts.get("previous_starts_at")
    return datetime.fromisoformat(previous) if previous not in (None, message.facts["starts_at"]) else None


def _label(name: str, label: str, message: Message, language: Language) -> str:
    """Return the label of a detail, marked as new if the patient has not read it in an earlier mail."""
    is_changed = message.audience is Audience.PATIENT and name in message.visible_changes
    return language.words["changed_label"].format(label=label) if is_changed else label
