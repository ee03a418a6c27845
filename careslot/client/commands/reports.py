"""The reports of the clinic."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from careslot.client.columns import columns_of
from careslot.client.commands.lists import From, To, instant_option
from careslot.client.options import OutputForm, client_command
from careslot.client.session import ClientSession


class ReportArgument(StrEnum):
    """A report of the clinic."""

    OVERVIEW = "overview"
    UTILISATION = "utilisation"
    NO_SHOWS = "no-shows"
    BOOKINGS = "bookings"
    LEAD_TIMES = "lead-times"


def report(
    session: ClientSession,
    name: Annotated[ReportArgument, typer.Argument(help="Which report.")],
    from_: From = None,
    to: To = None,
    group_by: Annotated[
        list[str] | None, typer.Option("--group-by", help="What a row stands for, such as doctor; can be repeated.")
    ] = None,
) -> None:
    """Print a report. With --output csv the platform writes the file, in which no spreadsheet runs a formula."""
    from careslot.client.api import ClientRequest

    params = {"from": instant_option(session, from_), "to": instant_option(session, to), "group_by": group_by or None}
    path = f"/admin/reports/{name.value}"
    if session.printer.form is OutputForm.CSV:
        session.printer.print_text(session.api.answer(ClientRequest("GET", path, params, headers={"Accept": "text/csv"})).text)
        return
    document = session.api.get(path, **params)
    if session.printer.form is OutputForm.JSON:
        session.printer.print_json(document)
    else:
        _print_tables(session, name.value, document)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "report")(report)


def _print_tables(session: ClientSession, title: str, document: dict[str, Any]) -> None:
    """Print the single figures of a report, then a table for each list of rows in it."""
    figures = flat_row({name: value for name, value in document.items() if not is_list_of_rows(value)})
    if figures:
        session.printer.print_document(figures, columns_of([figures]), headline=title)
    for name, rows in document.items():
        if is_list_of_rows(rows):
            flat = [flat_row(row) for row in rows]
            session.printer.print_list(flat, columns_of(flat), title=name.replace("_", " "))


def is_list_of_rows(value: Any) -> bool:
    """Return whether a member of a report is a list of objects."""
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def flat_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the members of the objects in it, as `doctor_full_name`, in place of the objects."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{inner}": inner_value for inner, inner_value in flat_row(value).items()}
        else:
            flat[name] = value
    return flat
