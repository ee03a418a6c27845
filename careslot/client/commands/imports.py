"""Importing doctors and patients from CSV files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from careslot.client.columns import IMPORT_ROW
from careslot.client.failures import RequestRefused, UsageFault
from careslot.client.options import OutputForm, client_command
from careslot.client.session import ClientSession

MAX_BYTES = 8 * 1024 * 1024
POLL_SECONDS = 1.0
MAX_POLLS = 3600
PAGE_SIZE = 100
CsvFile = Annotated[Path, typer.Argument(metavar="FILE", help="CSV file, at most 8 MiB; `-` is standard input.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check the file, and create nothing.")]


def import_doctors(session: ClientSession, file: CsvFile, dry_run: DryRun = False) -> None:
    """Create doctors from a CSV file. Exits with 1 if a row failed; the others are created."""
    _import_file(session, "doctors", file, dry_run)


def import_patients(session: ClientSession, file: CsvFile, dry_run: DryRun = False) -> None:
    """Create patients from a CSV file. Exits with 1 if a row failed; the others are created."""
    _import_file(session, "patients", file, dry_run)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "import-doctors")(import_doctors)
    client_command(app, "import-patients")(import_patients)


def _import_file(session: ClientSession, noun: str, file: Path, dry_run: bool) -> None:
    """Send a file, follow the import, and print the rows that failed. A second import of a file creates nothing twice."""
    from careslot.client.api import ClientRequest, new_key

    content = read_file(file)
    headers = {"Content-Type": "text/csv"}
    params = {"dry_run": "true"} if dry_run else {}
    with session.printer.progress(f"importing {noun}") as show_progress:
        request = ClientRequest("POST", f"/admin/{noun}/import", params, content=content, headers=headers, key=new_key())
        result = _wait_until_done(session, session.api.request_json(request), show_progress)
    _print_result(session, result)
    if result["failed"]:
        raise RequestRefused({"status": 422, "code": "rows_failed", "detail": f"{result['failed']} rows failed."})


def read_file(file: Path) -> bytes:
    """Return the content of a file. Raises UsageFault if it cannot be read or is too large."""
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageFault(f"{file} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise UsageFault(f"{file} is larger than 8 MiB.")
    return content


def _wait_until_done(session: ClientSession, started: dict[str, Any], show_progress: Callable[..., None]) -> dict[str, Any]:
    """Return an import that has ended, with all its rows. Raises RequestRefused if it does not end for an hour."""
    path = f"/admin/imports/{started['id']}"
    show_progress(started["done"], total=started["total"])
    for _ in range(MAX_POLLS):
        result = session.api.get(path, limit=PAGE_SIZE)
        show_progress(result["done"], total=result["total"])
        if result["status"] == "done":
            return _with_all_rows(session, path, result)
        session.environment.sleep(POLL_SECONDS)
    raise RequestRefused({"status": 504, "code": "import_unfinished", "detail": f"Import {started['id']} has not ended yet."})


def _with_all_rows(session: ClientSession, path: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return a result with the rows of all its pages."""
    rows, cursor = list(result["rows"]), result["next"]
    while cursor:
        page = session.api.get(path, after=cursor, limit=PAGE_SIZE)
        rows += page["rows"]
        cursor = page["next"] if page["next"] != cursor else None
    return result | {"rows": rows, "next": None}


def _print_result(session: ClientSession, result: dict[str, Any]) -> None:
    """Print the whole result as JSON, all rows as CSV, or the failed rows as a table."""
    rows = result["rows"]
    if session.printer.form is OutputForm.JSON:
        session.printer.print_json(result)
    elif session.printer.form is OutputForm.CSV:
        session.printer.print_list(rows, IMPORT_ROW)
    else:
        verb = "can be created" if result["dry_run"] else "created"
        counts = f"{result['created']} {verb}, {result['unchanged']} exist already, {result['failed']} failed"
        session.printer.print_sentence(counts, result)
        failed = [row for row in rows if row["status"] == "failed"]
        if failed:
            session.printer.print_list(failed, IMPORT_ROW, title="failed:")
