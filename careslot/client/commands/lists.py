"""The options of commands that print a list, and how they read its pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from careslot.client.columns import TableColumn
from careslot.client.options import OutputForm
from careslot.client.session import ClientSession

MAX_ITEMS = 1_000_000
Limit = Annotated[int, typer.Option(min=1, max=MAX_ITEMS, help="How many to list.")]
All = Annotated[bool, typer.Option("--all", help="List all, however many there are.")]
After = Annotated[str | None, typer.Option(help="Go on after this cursor, which is `next` of the list before.")]
From = Annotated[str | None, typer.Option("--from", help="From this day or instant on.")]
To = Annotated[str | None, typer.Option("--to", help="Up to this day or instant, without it.")]
DEFAULT_LIMIT = 25


def read_list(
    session: ClientSession, path: str, filters: dict[str, Any], *, limit: int, everything: bool, after: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the items of a list and the cursor of the rest, with a progress bar while there are several pages."""
    items: list[dict[str, Any]] = []
    cursor = None
    with session.printer.progress("reading") as show_progress:
        for page in session.api.pages(path, limit=None if everything else limit, after=after, **filters):
            items += page["items"]
            cursor = page.get("next")
            show_progress(len(items))
    return items, cursor


def print_list(
    session: ClientSession,
    path: str,
    columns: Sequence[TableColumn],
    filters: dict[str, Any],
    *,
    limit: int,
    everything: bool,
    after: str | None,
) -> None:
    """Read a list with the parameters `filters`, and print it. CSV is printed page by page, so that a list may be of any length."""
    if session.printer.form is OutputForm.CSV:
        for number, page in enumerate(session.api.pages(path, limit=None if everything else limit, after=after, **filters)):
            session.printer.print_csv(page["items"], columns, has_heading=number == 0)
        return
    items, cursor = read_list(session, path, filters, limit=limit, everything=everything, after=after)
    session.printer.print_list(items, columns, next_cursor=cursor)


def instant_option(session: ClientSession, text: str | None) -> str | None:
    """Return an option that names a day or an instant as the API takes it."""
    from careslot.client.times import parse_instant, to_api

    return to_api(parse_instant(text, session.now, session.zone)) if text else None
