"""The columns of tables and of CSV files, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ColumnFormat(StrEnum):
    """How the value of a column is shown. A narrow terminal shows the end of an id, but not of a whole one: a command needs all of that."""

    TEXT = "text"
    INSTANT = "instant"
    ID = "id"
    WHOLE_ID = "whole id"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column. `path` leads to the value in the JSON document, such as `service.name`; with underscores it is the heading in CSV files."""

    title: str
    path: str
    format: ColumnFormat = ColumnFormat.TEXT

    @property
    def key(self) -> str:
        """Return the heading in CSV files."""
        return self.path.replace(".", "_")

    def value_in(self, document: Any) -> Any:
        """Return the value in a document, or None if it is absent."""
        for name in self.path.split("."):
            document = document.get(name) if isinstance(document, dict) else None
        return document


def _instant(title: str, path: str) -> TableColumn:
    return TableColumn(title, path, ColumnFormat.INSTANT)


ID = TableColumn("id", "id", ColumnFormat.ID)
STATUS = TableColumn("status", "status", ColumnFormat.STATUS)
NAME = TableColumn("name", "full_name")
APPOINTMENT = (
    _instant("start", "starts_at"),
    TableColumn("patient", "patient.full_name"),
    TableColumn("service", "service.name"),
    TableColumn("doctor", "doctor.full_name"),
    STATUS,
    ID,
)
APPOINTMENT_DETAILS = (
    ID,
    STATUS,
    _instant("start", "starts_at"),
    _instant("end", "ends_at"),
    TableColumn("service", "service.name"),
    TableColumn("doctor", "doctor.full_name"),
    TableColumn("place", "doctor.location"),
    TableColumn("patient", "patient.full_name"),
    TableColumn("patient id", "patient_id", ColumnFormat.ID),
    TableColumn("reason", "reason"),
    TableColumn("override", "overridden.code"),
    _instant("confirmed", "confirmed_at"),
    TableColumn("cancelled because", "cancel_reason"),
    TableColumn("version", "version"),
)
AGENDA = (
    TableColumn("time", "time"),
    TableColumn("patient", "patient.full_name"),
    TableColumn("service", "service.name"),
    TableColumn("doctor", "doctor.full_name"),
    STATUS,
    ID,
)
HISTORY = (
    _instant("when", "at"),
    TableColumn("what", "action"),
    TableColumn("by", "actor.role"),
    TableColumn("status", "after.status"),
    _instant("start", "after.starts_at"),
    TableColumn("note", "note"),
)
DOCTOR = (
    NAME,
    TableColumn("title", "title"),
    TableColumn("specialties", "specialties"),
    TableColumn("languages", "languages"),
    TableColumn("place", "location"),
    TableColumn("accepts patients", "accepting_patients"),
    ID,
)
SERVICE = (
    TableColumn("name", "name"),
    TableColumn("specialty", "specialty"),
    TableColumn("minutes", "duration_minutes"),
    TableColumn("mode", "mode"),
    TableColumn("approval", "requires_approval"),
    ID,
)
SLOT = (
    _instant("start", "starts_at"),
    _instant("end", "ends_at"),
    TableColumn("doctor", "doctor_name"),
    TableColumn("free", "remaining"),
    TableColumn("doctor id", "doctor_id", ColumnFormat.ID),
)
PATIENT = (NAME, TableColumn("born", "born_on"), TableColumn("phone", "phone"), TableColumn("email", "email"), ID)
DUPLICATE = (NAME, TableColumn("born", "born_on"), TableColumn("phone", "phone"), TableColumn("same", "reasons"), ID)
USER = (NAME, TableColumn("email", "email"), TableColumn("role", "role"), STATUS, ID)
AUDIT = (
    _instant("when", "at"),
    TableColumn("actor", "actor", ColumnFormat.WHOLE_ID),
    TableColumn("role", "actor_role"),
    TableColumn("action", "action"),
    TableColumn("subject", "subject", ColumnFormat.WHOLE_ID),
    TableColumn("outcome", "outcome"),
)
MESSAGE = (
    _instant("due", "due_at"),
    TableColumn("kind", "kind"),
    STATUS,
    TableColumn("problem", "problem"),
    TableColumn("recipient", "recipient_id", ColumnFormat.ID),
    TableColumn("id", "id", ColumnFormat.WHOLE_ID),
)
ACCOUNT = (
    TableColumn("profile", "profile"),
    TableColumn("url", "url"),
    TableColumn("name", "account.full_name"),
    TableColumn("email", "account.email"),
    TableColumn("role", "account.role"),
    TableColumn("API client", "client_id"),
    TableColumn("time zone", "time_zone"),
)
PROFILE = (
    TableColumn("profile", "profile"),
    TableColumn("url", "url"),
    TableColumn("time zone", "time_zone"),
    TableColumn("signed in", "signed_in_as"),
)
IMPORT_ROW = (
    TableColumn("line", "line"),
    STATUS,
    TableColumn("code", "code"),
    TableColumn("field", "pointer"),
    TableColumn("detail", "detail"),
    ID,
)
BULK_ITEM = (
    ID,
    STATUS,
    TableColumn("code", "code"),
    TableColumn("detail", "detail"),
    _instant("start", "starts_at"),
    TableColumn("doctor id", "doctor_id", ColumnFormat.ID),
    _instant("proposal", "proposal.starts_at"),
)
REPORT_PERIOD = (_instant("from", "from"), _instant("to", "to"))
OVERVIEW = (
    TableColumn("date", "date"),
    TableColumn("to approve", "requested"),
    TableColumn("booked", "booked"),
    TableColumn("arrived", "arrived"),
    TableColumn("waiting", "waiting"),
    TableColumn("in progress", "in_progress"),
    TableColumn("done", "done"),
    TableColumn("missed", "missed"),
    TableColumn("cancelled", "cancelled"),
)
ALTERNATIVE = (_instant("start", "starts_at"), TableColumn("doctor id", "doctor_id", ColumnFormat.ID))

CSV_COLUMNS = {  # command: the columns of its CSV file, for the documentation
    "doctors": DOCTOR,
    "services": SERVICE,
    "slots": SLOT,
    "appointments": APPOINTMENT,
    "agenda": APPOINTMENT,
    "book, show, cancel, reschedule and the steps of a visit": APPOINTMENT_DETAILS,
    "show --history": HISTORY,
    "bulk": BULK_ITEM,
    "patients": PATIENT,
    "users": USER,
    "messages": MESSAGE,
    "audit": AUDIT,
    "import-doctors, import-patients": IMPORT_ROW,
    "whoami": ACCOUNT,
    "profiles": PROFILE,
}


def columns_of(rows: list[dict[str, Any]]) -> tuple[TableColumn, ...]:
    """Return a column for each member that a row has, in the order of their first occurrence."""
    names = dict.fromkeys(name for row in rows for name in row)
    return tuple(TableColumn(name.replace("_", " "), name, _format_of(name)) for name in names)


def _format_of(name: str) -> ColumnFormat:
    if name.endswith("_at"):
        return ColumnFormat.INSTANT
    return ColumnFormat.ID if name == "id" or name.endswith("_id") else ColumnFormat.TEXT
