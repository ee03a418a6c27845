"""The course of a visit: what reception and doctors do with an appointment."""

from __future__ import annotations

from typing import Annotated

import typer

from careslot.client.columns import APPOINTMENT_DETAILS
from careslot.client.commands.accounts import Yes
from careslot.client.commands.appointments import AppointmentId, confirm_visit
from careslot.client.options import client_command
from careslot.client.session import ClientSession


def check_in(session: ClientSession, id: AppointmentId) -> None:
    """Note that the patient has arrived."""
    _change_visit(session, id, "check-in", "checked in")


def start(session: ClientSession, id: AppointmentId) -> None:
    """Note that the visit has begun."""
    _change_visit(session, id, "start", "started")


def complete(session: ClientSession, id: AppointmentId) -> None:
    """Note that the visit has ended."""
    _change_visit(session, id, "complete", "completed")


def mark_missed(session: ClientSession, id: AppointmentId, yes: Yes = False) -> None:
    """Note that the patient did not come."""
    appointment_id = confirm_visit(session, id, "Note a no-show for", yes=yes)
    _change_visit(session, appointment_id, "no-show", "missed")


def undo(session: ClientSession, id: AppointmentId) -> None:
    """Undo a check-in, a cancellation, a declined request or a no-show, if the time is still free."""
    _change_visit(session, id, "restore", "restored")


def approve(session: ClientSession, id: AppointmentId) -> None:
    """Approve a requested appointment."""
    _change_visit(session, id, "approve", "approved")


def decline(
    session: ClientSession, id: AppointmentId, reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None, yes: Yes = False
) -> None:
    """Decline a requested appointment."""
    appointment_id = confirm_visit(session, id, "Decline", yes=yes)
    _change_visit(session, appointment_id, "decline", "declined", {"reason": reason} if reason else {})


def reassign(
    session: ClientSession, id: AppointmentId, doctor: Annotated[str, typer.Option("--doctor", help="Name or id of the other doctor.")]
) -> None:
    """Give an appointment to another doctor, at the same time."""
    _change_visit(session, id, "reassign", "reassigned", {"doctor_id": session.lookup.doctor(doctor)})


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "check-in")(check_in)
    client_command(app, "start")(start)
    client_command(app, "complete")(complete)
    client_command(app, "no-show")(mark_missed)
    client_command(app, "undo")(undo)
    client_command(app, "approve")(approve)
    client_command(app, "decline")(decline)
    client_command(app, "reassign")(reassign)


def _change_visit(session: ClientSession, id: str, action: str, headline: str, body: dict[str, str] | None = None) -> None:
    appointment = session.api.send("POST", f"/appointments/{session.appointment_id(id)}/{action}", body or {})
    session.printer.print_document(appointment, APPOINTMENT_DETAILS, headline=headline)
