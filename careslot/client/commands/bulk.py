"""Cancelling, moving or writing about many appointments in one command."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from careslot.client.columns import BULK_ITEM
from careslot.client.commands.accounts import Yes
from careslot.client.commands.day import list_visits
from careslot.client.failures import RequestRefused, UsageFault
from careslot.client.options import client_command
from careslot.client.session import ClientSession
from careslot.client.times import parse_day

MAX_IDS = 200  # of one request
POLL_SECONDS = 1.0
MAX_POLLS = 1800
NOT_DONE = ("refused", "failed")


class BulkVerb(StrEnum):
    """What is done with each appointment."""

    CANCEL = "cancel"
    MOVE = "move"
    MESSAGE = "message"


def change_many(
    session: ClientSession,
    action: Annotated[BulkVerb, typer.Argument(help="cancel, move to another doctor, or send a message to the patients.")],
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of appointments.")] = None,
    doctor: Annotated[str | None, typer.Option("--doctor", help="Instead of ids, with --date: the booked visits of this doctor.")] = None,
    day: Annotated[str | None, typer.Option("--date", help="`today`, `tomorrow` or a date.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="With move: name or id of the other doctor.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="With message: what is sent.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    take_proposals: Annotated[
        bool, typer.Option("--take-proposals", help="With move: where the doctor is not free, the nearest free time of the same day.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    yes: Yes = False,
) -> None:
    """Cancel or move many appointments, or write to their patients: `careslot bulk move --doctor Brandt --date today --to Haddad`.

    Each appointment is changed by itself. Exits with 1 if one could not be; the others are.
    """
    body = _body(session, action, to, text, reason)
    if take_proposals and (action is not BulkVerb.MOVE or dry_run):
        raise UsageFault("--take-proposals needs move, and --dry-run shows the proposals.")
    chosen = _chosen_ids(session, ids or [], doctor, day)
    if not chosen:
        session.printer.print_list([], BULK_ITEM)
        return
    if not dry_run:
        session.confirm(f"{action.value.capitalize()}: {len(chosen)} appointments?", yes=yes)
    outcomes: list[dict[str, Any]] = []
    with session.printer.progress(action.value) as show_progress:
        for batch in _batches(chosen):
            moves = _proposed_moves(session, body | {"ids": batch}) if take_proposals else {}
            outcomes += _run_bulk_change(session, body | moves | {"ids": batch, "dry_run": dry_run})
            show_progress(len(outcomes), total=len(chosen))
    session.printer.print_list(outcomes, BULK_ITEM)
    failures = sum(outcome.get("status") in NOT_DONE for outcome in outcomes)
    if failures:
        raise RequestRefused({"status": 409, "code": "items_refused", "detail": f"{failures} of {len(outcomes)} could not be changed."})


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "bulk")(change_many)


def _body(session: ClientSession, action: BulkVerb, to: str | None, text: str | None, reason: str | None) -> dict[str, Any]:
    """Return what is the same for all appointments. Raises UsageFault if the action lacks something."""
    if (action is BulkVerb.MOVE) != (to is not None):
        raise UsageFault("move needs --to, and only move has it.")
    if (action is BulkVerb.MESSAGE) != (text is not None):
        raise UsageFault("message needs --text, and only message has it.")
    fields = {"action": action.value, "doctor_id": session.lookup.doctor(to) if to else None, "text": text, "reason": reason}
    return {name: value for name, value in fields.items() if value is not None}


def _chosen_ids(session: ClientSession, ids: list[str], doctor: str | None, day: str | None) -> list[str]:
    """Return the ids that were given, or those of the booked visits of a doctor's day."""
    if ids and (doctor or day):
        raise UsageFault("Give either ids, or --doctor and --date.")
    if ids:
        return list(dict.fromkeys(session.appointment_id(text) for text in ids))
    if not (doctor and day):
        raise UsageFault("Give ids, or --doctor and --date.")
    visits = list_visits(session, parse_day(day, session.now), [doctor], ("booked", "requested"))
    return [str(visit["id"]) for visit in visits]


def _batches(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), MAX_IDS):
        yield ids[first : first + MAX_IDS]


def _proposed_moves(session: ClientSession, body: dict[str, Any]) -> dict[str, Any]:
    """Return the member `moves` of a request with the proposals of its dry run."""
    proposals = {item["id"]: item["proposal"] for item in _run_bulk_change(session, body | {"dry_run": True}) if item.get("proposal")}
    return {"moves": [{"id": id, **proposal} for id, proposal in proposals.items()]} if proposals else {}


def _run_bulk_change(session: ClientSession, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Send one request, and return the outcome of each appointment once all are handled."""
    result = session.api.send("POST", "/admin/appointments/bulk", body)
    for _ in range(MAX_POLLS):
        if result.get("finished") is not False:
            return list(result.get("items") or [])
        session.environment.sleep(POLL_SECONDS)
        result = session.api.get(f"/admin/appointments/bulk/{result['id']}")
    raise RequestRefused({"status": 504, "code": "bulk_unfinished", "detail": f"{result['id']} has not ended yet."})
