"""Booking, listing, moving and cancelling appointments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from careslot.client.columns import APPOINTMENT, APPOINTMENT_DETAILS, HISTORY
from careslot.client.commands.accounts import Yes
from careslot.client.commands.catalogue import Language, Location, ServiceName, Specialty
from careslot.client.commands.lists import DEFAULT_LIMIT, After, All, From, Limit, To, instant_option, print_list
from careslot.client.failures import RequestRefused, UsageFault
from careslot.client.lookup import ANY_DOCTOR
from careslot.client.options import client_command
from careslot.client.session import ClientSession

POLL_SECONDS = 2.0
MAX_SECONDS_PENDING = 90.0  # the platform settles a pending booking within a minute
MAX_STARTS = 20  # that are tried for the earliest time
CODES_OF_TAKEN_TIMES = ("slot_taken", "slot_held", "patient_busy")  # the next time may still be free


class LiftableRule(StrEnum):
    """The rule that a staff booking lifts."""

    OVERBOOK = "overbook"
    OFF_HOURS = "off_hours"
    SHORT_NOTICE = "short_notice"
    BEYOND_HORIZON = "beyond_horizon"
    CAP = "cap"
    ON_LEAVE = "on_leave"


AppointmentId = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the appointment, its beginning or end, or the patient of a visit of today.")
]
At = Annotated[
    str | None,
    typer.Option("--at", help="Start: `2026-03-09 14:00` or `tomorrow 14:00` in the zone of the times, or an instant with an offset."),
]
Earliest = Annotated[bool, typer.Option("--earliest", help="The earliest free time.")]
NotBefore = Annotated[str | None, typer.Option("--from", help="With --earliest: not before this day or instant.")]
OVERRIDE_HELP = "Staff: lift one rule of the calendar: overbook, off_hours, short_notice, beyond_horizon, cap or on_leave."
OverrideOption = Annotated[LiftableRule | None, typer.Option("--override", metavar="CODE", help=OVERRIDE_HELP)]
OverrideReason = Annotated[str | None, typer.Option("--reason", help="Why the rule is lifted; needed with --override.")]


def book(
    session: ClientSession,
    service: ServiceName,
    doctor: Annotated[str, typer.Option("--doctor", help="Name or id of the doctor, or `any`.")] = ANY_DOCTOR,
    at: At = None,
    earliest: Earliest = False,
    not_before: NotBefore = None,
    patient: Annotated[str | None, typer.Option("--patient", help="Staff and guardians: name or id of the patient.")] = None,
    visit_reason: Annotated[str | None, typer.Option("--visit-reason", help="Why the patient comes, for the doctor.")] = None,
    specialty: Specialty = None,
    location: Location = None,
    language: Language = None,
    override: OverrideOption = None,
    reason: OverrideReason = None,
) -> None:
    """Book an appointment: `careslot book --service "Check-up" --doctor any --earliest`."""
    _check_time_options(at, earliest, not_before)
    if (specialty or location or language) and not (earliest and doctor == ANY_DOCTOR):
        raise UsageFault("--specialty, --location and --language choose among doctors: they need --doctor any and --earliest.")
    booking: dict[str, Any] = {"service_id": session.lookup.service(service)}
    booking |= {"patient_id": session.lookup.patient(patient)} if patient else {}
    booking |= {"reason": visit_reason} if visit_reason else {}
    booking |= override_of(override, reason)
    doctor_id = ANY_DOCTOR if doctor == ANY_DOCTOR else session.lookup.doctor(doctor)
    if earliest:
        if override:
            raise UsageFault("--override needs a time: --at. The earliest free time needs no override.")
        filters = {"specialty": specialty, "location": location, "language": language}
        appointment = _book_earliest(session, booking, doctor_id, not_before, filters)
    else:
        starts_at = instant_option(session, at)
        appointment = session.api.send("POST", "/appointments", booking | {"doctor_id": doctor_id, "starts_at": starts_at})
    appointment = _wait_while_pending(session, appointment)
    session.printer.print_document(appointment, APPOINTMENT_DETAILS, headline=str(appointment["status"]))
    if appointment["status"] == "refused":
        raise RequestRefused({"status": 409, "code": "refused", "detail": "The booking was refused."})


def list_appointments(
    session: ClientSession,
    status: Annotated[list[str] | None, typer.Option(help="Only this status; can be repeated.")] = None,
    doctor: Annotated[list[str] | None, typer.Option("--doctor", help="Name or id of a doctor; can be repeated.")] = None,
    patient: Annotated[str | None, typer.Option("--patient", help="Name or id of a patient.")] = None,
    service: Annotated[str | None, typer.Option("--service", help="Name or id of a service.")] = None,
    from_: From = None,
    to: To = None,
    sort: Annotated[str | None, typer.Option(help="starts_at, -starts_at, created_at or -created_at.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
    after: After = None,
) -> None:
    """List appointments: one's own, those with a doctor, or all for staff."""
    filters = {
        "status": status or None,
        "doctor_id": [session.lookup.doctor(name) for name in doctor] if doctor else None,
        "patient_id": session.lookup.patient(patient) if patient else None,
        "service_id": session.lookup.service(service) if service else None,
        "from": instant_option(session, from_),
        "to": instant_option(session, to),
        "sort": sort,
    }
    print_list(session, "/appointments", APPOINTMENT, filters, limit=limit, everything=everything, after=after)


def show(
    session: ClientSession,
    id: AppointmentId,
    history: Annotated[bool, typer.Option("--history", help="What happened to it, instead of how it is.")] = False,
) -> None:
    """Show one appointment."""
    path = f"/appointments/{session.appointment_id(id)}"
    if history:
        session.printer.print_list(session.api.get(f"{path}/history")["items"], HISTORY)
    else:
        session.printer.print_document(session.api.get(path), APPOINTMENT_DETAILS)


def cancel(
    session: ClientSession,
    id: AppointmentId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, for the patient and the doctor.")] = None,
    yes: Yes = False,
) -> None:
    """Cancel an appointment. Its time can then be booked by others."""
    appointment_id = confirm_visit(session, id, "Cancel", yes=yes)
    appointment = session.api.send("POST", f"/appointments/{appointment_id}/cancel", {"reason": reason} if reason else {})
    session.printer.print_document(appointment, APPOINTMENT_DETAILS, headline="cancelled")


def reschedule(
    session: ClientSession,
    id: AppointmentId,
    at: At = None,
    earliest: Earliest = False,
    not_before: NotBefore = None,
    doctor: Annotated[str | None, typer.Option("--doctor", help="Name or id of another doctor.")] = None,
    override: OverrideOption = None,
    reason: OverrideReason = None,
) -> None:
    """Move an appointment to another time, and perhaps to another doctor."""
    _check_time_options(at, earliest, not_before)
    if earliest and override:
        raise UsageFault("--override needs a time: --at. The earliest free time needs no override.")
    known_id = session.appointment_id(id)
    change: dict[str, Any] = {"doctor_id": session.lookup.doctor(doctor)} if doctor else {}
    if earliest:
        appointment = _move_to_earliest(session, known_id, change, not_before)
    elif override:
        change |= {"starts_at": instant_option(session, at), "reason": reason, **override_of(override, reason)}
        version = session.api.get(f"/admin/appointments/{known_id}")["version"]
        appointment = session.api.send("PUT", f"/admin/appointments/{known_id}", change, if_match=version)
    else:
        override_of(None, reason)
        change |= {"starts_at": instant_option(session, at)}
        appointment = session.api.send("POST", f"/appointments/{known_id}/reschedule", change)
    session.printer.print_document(appointment, APPOINTMENT_DETAILS, headline="moved")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "book")(book)
    client_command(app, "appointments")(list_appointments)
    client_command(app, "show")(show)
    client_command(app, "cancel")(cancel)
    client_command(app, "reschedule")(reschedule)


def override_of(code: LiftableRule | None, reason: str | None) -> dict[str, Any]:
    """Return the member `override` of a request, or nothing. Raises UsageFault for a code without a reason, or the reverse."""
    if code is None and reason is None:
        return {}
    if code is None:
        raise UsageFault("--reason says why a rule is lifted: it needs --override. Why the patient comes is --visit-reason.")
    if not (reason or "").strip():
        raise UsageFault("--override needs --reason: the audit trail must say why the rule was lifted.")
    return {"override": {"code": code.value, "reason": reason}}


def confirm_visit(session: ClientSession, text: str, verb: str, *, yes: bool) -> str:
    """Return the id of the appointment that a text names, once the person at the terminal has confirmed that it is meant.

    The question names the visit, so that a mistyped id is noticed. In a script there is no question, and `--yes` is needed.
    """
    if yes or not session.environment.terminals.input:
        session.confirm(f"{verb} this appointment?", yes=yes)
        return session.appointment_id(text)
    appointment_id = session.appointment_id(text)
    appointment = session.api.get(f"/appointments/{appointment_id}")
    texts = {column.title: session.printer.texts.value(column, appointment) for column in APPOINTMENT}
    visit = f"{texts['service']} of {texts['patient']} with {texts['doctor']} on {texts['start']} ({session.zone.key})"
    session.confirm(f"{verb} {visit}?", yes=False)
    return appointment_id


def _check_time_options(at: str | None, earliest: bool, not_before: str | None) -> None:
    if (at is None) != earliest:
        raise UsageFault("Give either --at or --earliest.")
    if not_before and not earliest:
        raise UsageFault("--from needs --earliest.")


def _book_earliest(
    session: ClientSession, booking: dict[str, Any], doctor_id: str, not_before: str | None, filters: dict[str, str | None]
) -> dict[str, Any]:
    """Book the first free time that is still free when it is asked for."""
    starts = _earliest_starts(session, booking["service_id"], doctor_id, not_before, filters)
    return _try_in_order(starts, lambda slot: session.api.send("POST", "/appointments", booking | slot))


def _move_to_earliest(session: ClientSession, known_id: str, change: dict[str, Any], not_before: str | None) -> dict[str, Any]:
    current = session.api.get(f"/appointments/{known_id}")
    doctor_id = change.get("doctor_id") or (current.get("doctor") or {}).get("id") or ANY_DOCTOR
    starts = _earliest_starts(session, current["service"]["id"], doctor_id, not_before, {}, known_id)
    return _try_in_order(starts, lambda slot: session.api.send("POST", f"/appointments/{known_id}/reschedule", slot))


def _try_in_order(starts: Iterator[dict[str, Any]], send: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer of the first start that is not taken meanwhile. Raises the refusal of the last one, or that nothing is free."""
    refusal = RequestRefused({"status": 409, "code": "nothing_free", "title": "Nothing free", "detail": "No time is free."})
    for slot in starts:
        try:
            return send(slot)
        except RequestRefused as latest:
            if latest.problem_code not in CODES_OF_TAKEN_TIMES:
                raise
            refusal = latest
    raise refusal


def _earliest_starts(
    session: ClientSession,
    service_id: str,
    doctor_id: str,
    not_before: str | None,
    filters: dict[str, str | None],
    moved_id: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the earliest free starts as `{doctor_id, starts_at}`."""
    params: dict[str, Any] = {"service_id": service_id, "from": instant_option(session, not_before), "limit": MAX_STARTS}
    if doctor_id == ANY_DOCTOR:
        free = session.api.get("/slots/earliest", **params, **filters)
    else:
        free = session.api.get("/slots", doctor_id=doctor_id, exclude_appointment=moved_id, **params)
    for slot in free["items"]:
        yield {"doctor_id": slot["doctor_id"], "starts_at": slot["starts_at"]}


def _wait_while_pending(session: ClientSession, appointment: dict[str, Any]) -> dict[str, Any]:
    """Wait until a pending booking is settled, and return it. It is returned as it is when that takes too long."""
    waited_seconds = 0.0
    while appointment["status"] == "pending" and waited_seconds < MAX_SECONDS_PENDING:
        if waited_seconds == 0:
            session.printer.print_note("The calendar has not answered yet; waiting until the booking is settled.")
        session.environment.sleep(POLL_SECONDS)
        waited_seconds += POLL_SECONDS
        appointment = session.api.get(f"/appointments/{appointment['id']}")
    return appointment
