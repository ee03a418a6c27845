"""The day of a clinic or of a doctor: as a table, and followed live."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer

from careslot.client.columns import AGENDA, APPOINTMENT
from careslot.client.failures import RequestRefused, Unreachable, UsageFault
from careslot.client.options import OutputForm, client_command
from careslot.client.session import ClientSession
from careslot.client.times import parse_day, start_of_day, to_api

SHOWN_STATUSES = ("pending", "requested", "booked", "checked_in", "in_progress", "completed", "missed")
EVERY_STATUS = (*SHOWN_STATUSES, "cancelled", "declined", "expired")
DoctorFilter = Annotated[list[str] | None, typer.Option("--doctor", help="Name or id of a doctor, or `me`; can be repeated.")]
DayOption = Annotated[str | None, typer.Option("--date", help="`today`, `tomorrow` or a date; default: today.")]


def agenda(
    session: ClientSession,
    today: Annotated[bool, typer.Option("--today", help="The present day, which is the default.")] = False,
    day: DayOption = None,
    doctor: DoctorFilter = None,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="Also what was cancelled, declined or expired.")] = False,
) -> None:
    """Print the visits of a day in the order of their times."""
    if today and day:
        raise UsageFault("Give either --today or --date.")
    chosen = parse_day(day or "today", session.now)
    visits = list_visits(session, chosen, doctor, EVERY_STATUS if cancelled else SHOWN_STATUSES)
    if session.printer.form is OutputForm.CSV:
        session.printer.print_list(visits, APPOINTMENT)
    elif session.printer.form is OutputForm.JSON:
        session.printer.print_list(visits, AGENDA)
    else:
        session.printer.print_list([_with_time(visit, session) for visit in visits], AGENDA, title=_title_of(chosen, session))


def watch(
    session: ClientSession,
    day: DayOption = None,
    doctor: DoctorFilter = None,
    every: Annotated[float, typer.Option(min=1, max=3600, help="Seconds between two requests.")] = 5.0,
) -> None:
    """Follow a day live, until Ctrl-C: on a terminal as a table, elsewhere with a line for each change (with --json a JSON document)."""
    if session.printer.form is OutputForm.CSV:
        raise UsageFault("watch prints tables, lines or JSON lines, but no CSV.")
    doctor_ids = [session.lookup.doctor(name) for name in doctor or []]
    try:
        _follow(session, day or "today", doctor_ids, every)
    except KeyboardInterrupt:
        session.printer.print_note("stopped")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "agenda")(agenda)
    client_command(app, "watch")(watch)


def _follow(session: ClientSession, day: str, doctor_ids: list[str], every: float) -> None:
    """Show the day again after each pause. While the platform does not answer, the last state stays."""
    known: dict[str, dict[str, Any]] | None = None
    is_unreachable = False
    while True:
        chosen = parse_day(day, session.now)
        try:
            visits = {visit["id"]: visit for visit in list_visits(session, chosen, doctor_ids, EVERY_STATUS)}
            is_unreachable = False
        except (Unreachable, RequestRefused) as failure:
            if known is None or not is_temporary(failure):
                raise
            if not is_unreachable:
                session.printer.print_note(f"{failure.detail} Trying again every {every:g} seconds.")
            is_unreachable, visits = True, known
        if visits != known:
            _show_changes(session, chosen, known, visits)
        known = visits
        session.environment.sleep(every)


def is_temporary(failure: Unreachable | RequestRefused) -> bool:
    """Return whether the platform may answer later: it cannot be reached, fails, or refuses because of a limit."""
    return failure.exit_code == Unreachable.exit_code or (isinstance(failure, RequestRefused) and failure.status == 429)


def _show_changes(session: ClientSession, day: date, known: dict[str, dict[str, Any]] | None, visits: dict[str, dict[str, Any]]) -> None:
    """Show the visits of a day: the whole table on a terminal, otherwise the changes since `known`, which is None at first."""
    if session.printer.form is OutputForm.TABLE and session.environment.terminals.output:
        session.printer.tables.clear()
        shown = [_with_time(visit, session) for visit in visits.values() if visit["status"] in SHOWN_STATUSES]
        session.printer.print_list(shown, AGENDA, title=f"{_title_of(day, session)}, {session.now:%H:%M:%S}")
        return
    for id, visit in visits.items():
        before = (known or {}).get(id)
        if before != visit:
            _print_change(session, before, visit)
    for id in (known or {}).keys() - visits.keys():
        _print_change(session, (known or {})[id], None)


def _print_change(session: ClientSession, before: dict[str, Any] | None, visit: dict[str, Any] | None) -> None:
    """Print a visit that is new or changed, or, without `visit`, that has left the day."""
    if session.printer.form is OutputForm.JSON:
        session.printer.print_json({"before": before, "after": visit}, is_line=True)
        return
    shown: dict[str, Any] = visit or before or {}
    texts = [session.printer.texts.value(column, shown) for column in AGENDA[1:4]]
    status = str(shown["status"]) if visit else "moved to another day"
    session.printer.print_text(f"{session.now:%H:%M:%S}  {_with_time(shown, session)['time']}  {status}  {'  '.join(texts)}  {shown['id']}")


def list_visits(session: ClientSession, day: date, doctors: list[str] | None, statuses: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the visits that start on a day of the session's zone, in the order of their times."""
    params = {
        "from": to_api(start_of_day(day, session.zone)),
        "to": to_api(start_of_day(day + timedelta(days=1), session.zone)),
        "doctor_id": [session.lookup.doctor(name) for name in doctors] if doctors else None,
        "status": list(statuses),
    }
    return session.api.items("/appointments", **params)


def _with_time(visit: dict[str, Any], session: ClientSession) -> dict[str, Any]:
    """Return a visit with `time`, its start and end of the day in the session's zone."""
    start, end = (datetime.fromisoformat(visit[name]).astimezone(session.zone) for name in ("starts_at", "ends_at"))
    return visit | {"time": f"{start:%H:%M}-{end:%H:%M}"}


def _title_of(day: date, session: ClientSession) -> str:
    return f"{day:%A %Y-%m-%d} ({session.zone.key})"
