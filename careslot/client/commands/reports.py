"""The reports of the clinic."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import typer

from careslot.client.columns import OVERVIEW, REPORT_PERIOD, TableColumn, columns_of
from careslot.client.commands.lists import From, To, instant_option
from careslot.client.failures import UsageFault
from careslot.client.options import OutputForm, client_command
from careslot.client.session import ClientSession

PAGE_SIZE = 1000
HEADERS = {"Accept": "text/csv"}
WEEKDAYS = dict(zip("1234567", ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), strict=True))
KEY = TableColumn("key", "key")


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
        str | None, typer.Option("--group-by", help="What a row stands for, such as doctor, service, day or weekday; /docs lists them.")
    ] = None,
) -> None:
    """Print a report: of the present day (overview), or of a period, by default the last 30 days.

    With --output csv the platform writes the file, in which no spreadsheet runs a formula.
    """
    params = {"from": instant_option(session, from_), "to": instant_option(session, to), "group_by": group_by}
    if name is ReportArgument.OVERVIEW and any(params.values()):
        raise UsageFault("The overview is of the present day: it has neither --from and --to nor --group-by.")
    path = f"/admin/reports/{name.value}"
    if session.printer.form is OutputForm.CSV:
        _print_csv(session, path, params)
    elif name is ReportArgument.OVERVIEW:
        _print_overview(session, session.api.get(path))
    else:
        _print_report(session, name.value, _read_report(session, path, params))


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "report")(report)


def _print_csv(session: ClientSession, path: str, params: dict[str, Any]) -> None:
    """Print the pages of the platform's file as one, with the heading of the first one."""
    from careslot.client.api import ClientRequest

    after: str | None = None
    while True:
        answer = session.api.send_request(ClientRequest("GET", path, params | {"after": after}, headers=HEADERS))
        heading, line_end, rows = answer.text.partition("\n")
        session.printer.print_part(rows if after else f"{heading}{line_end}{rows}")
        following = parse_qs(urlsplit(answer.links.get("next", {}).get("url", "")).query).get("after", [None])[0]
        if following in (None, after):
            return
        after = following


def _read_report(session: ClientSession, path: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return a report with the rows of all its pages."""
    document: dict[str, Any] = session.api.get(path, limit=PAGE_SIZE, **params)
    rows, cursor = list(document["items"]), document["next"]
    while cursor:
        page = session.api.get(path, limit=PAGE_SIZE, after=cursor, **params)
        rows += page["items"]
        cursor = page["next"] if page["next"] != cursor else None
    return document | {"items": rows, "next": None}


def _print_overview(session: ClientSession, overview: dict[str, Any]) -> None:
    session.printer.print_document(overview, OVERVIEW, headline="overview")
    if session.printer.form is OutputForm.TABLE:
        _note_incomplete(session, overview)
        free = overview["next_free"] or []
        if free:
            session.printer.print_list(free, columns_of(free), title="next free time:")


def _print_report(session: ClientSession, title: str, document: dict[str, Any]) -> None:
    """Print a report as JSON as it is, or for people its period, then a row for each key with its name, and the total."""
    if session.printer.form is OutputForm.JSON:
        session.printer.print_json(document)
        return
    group = str(document["group_by"])
    session.printer.print_document(document, REPORT_PERIOD, headline=title)
    _note_incomplete(session, document)
    names = _names_of_keys(session, group)
    total = {"key": "total", **document["total"]}
    rows = [{"key": row["key"], **row} for row in document["items"]]
    figures = [column for column in columns_of([*rows, total])[1:] if column.path != "name"]
    shown = [row | {"key": names.get(row["key"]) or row.get("name") or row["key"]} for row in rows]
    session.printer.print_list([*shown, total], (TableColumn(group.replace("_", " "), KEY.path), *figures))


def _note_incomplete(session: ClientSession, document: dict[str, Any]) -> None:
    if not document["complete"]:
        session.printer.print_note("The calendar did not answer: the figures that come from it are missing.")


def _names_of_keys(session: ClientSession, group: str) -> dict[str, str]:
    """Return the names of what the rows of a report stand for, where their keys are no words."""
    if group == "doctor":
        return session.lookup.all_doctor_names()
    if group == "service":
        return {service["id"]: str(service["name"]) for service in session.api.items("/services")}
    return WEEKDAYS if group == "weekday" else {}
