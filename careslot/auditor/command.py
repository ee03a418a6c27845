"""`careslot verify`: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import SQLAlchemyError

from careslot.auditor.checks import ALL_CHECKS
from careslot.auditor.findings import Finding
from careslot.auditor.repairs import CODES
from careslot.auditor.runner import Auditor, AuditResult
from careslot.auditor.stores import SERVICES_WITH_STORE, Stores, StoresUnreadable, open_configured, open_folder
from careslot.client.failures import Unreachable
from shared.contracts.identity import Service
from shared.contracts.refusals import Unavailable
from shared.contracts.values import format_instant

DEFAULT_FOLDER = Path("careslot-data")
FORMAT_VERSION = 1
FAULTS_FOUND, USAGE, UNREACHABLE = 1, 2, 4
COLUMNS = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), TimeElapsedColumn())


def verify(data: Path | None, *, as_json: bool, with_repairs: bool, patience_seconds: float) -> None:
    """Check the stores of a folder, or those that the environment names, and print the result."""
    stores = open_folder(data) if data is not None else _open_default()
    verify_stores(stores, as_json=as_json, with_repairs=with_repairs, patience_seconds=patience_seconds)


def verify_stores(stores: AbstractAsyncContextManager[Stores], *, as_json: bool, with_repairs: bool, patience_seconds: float) -> None:
    """Check everything and print the result. Ends with exit code 1 if there is a fault, and with 4 if a store cannot be read."""
    try:
        result = asyncio.run(audit(stores, patience_seconds=patience_seconds))
    except StoresUnreadable as error:
        raise _unreadable(str(error), as_json=as_json) from None
    except Unavailable:
        detail = f"the store of {Service.APPOINTMENT} cannot be read: it does not answer any more"
        raise _unreadable(detail, as_json=as_json) from None
    except (SQLAlchemyError, OSError) as error:
        detail = f"a store cannot be read: {type(error).__name__}. Is it of this release? `careslot migrate` brings it up to date."
        raise _unreadable(detail, as_json=as_json) from None
    typer.echo(
        json.dumps(result_document(result, with_repairs=with_repairs), indent=1)
        if as_json
        else result_text(result, with_repairs=with_repairs)
    )
    if result.faults:
        raise typer.Exit(FAULTS_FOUND)


def _unreadable(detail: str, *, as_json: bool) -> typer.Exit:
    """Print why a store cannot be read, with `as_json` as a problem document, and return the exit to raise."""
    typer.echo(json.dumps(Unreachable(detail).to_problem()) if as_json else detail, err=True)
    return typer.Exit(UNREACHABLE)


def _open_default() -> AbstractAsyncContextManager[Stores]:
    """Open what the environment names, or else the folder in which `careslot serve` keeps its data."""
    is_configured = any(os.environ.get(f"{service.prefix}_DATABASE_URL") for service in SERVICES_WITH_STORE)
    return open_configured() if is_configured else open_folder(DEFAULT_FOLDER)


async def audit(opened: AbstractAsyncContextManager[Stores], *, patience_seconds: float) -> AuditResult:
    """Run all checks on the stores that are opened, with a progress bar on a terminal. Raises StoresUnreadable."""
    async with opened as stores:
        with _progress_bars() as progress:
            return await Auditor(stores, ALL_CHECKS, progress, patience_seconds).run()


class ProgressBars:
    """Shows a bar for each check on the terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, check: str) -> None:
        self._end()
        self._task = self._bars.add_task(check, total=None)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, count)

    def look_again(self, count: int) -> None:
        self._end()
        self._task = self._bars.add_task(f"looking again at {count}", total=None)

    def _end(self) -> None:
        if self._task is not None:
            completed = self._bars.tasks[self._task].completed
            self._bars.update(self._task, total=completed or 1, completed=completed or 1)


@contextmanager
def _progress_bars() -> Iterator[ProgressBars]:
    """Show bars while the auditor works; they go to standard error, and only to a terminal."""
    console = Console(stderr=True)
    with Progress(*COLUMNS, console=console, disable=not console.is_terminal) as bars:
        yield ProgressBars(bars)


def result_document(result: AuditResult, *, with_repairs: bool) -> dict[str, Any]:
    """Return the result as docs/promises.md describes it. Fields may be added; none is removed or renamed."""
    return {
        "format": FORMAT_VERSION,
        "clean": not result.faults,
        "complete": result.complete,
        "checked": result.checked,
        "faults": [_item(fault, with_repairs=with_repairs) for fault in result.faults],
        "waiting": [_item(waiting, with_repairs=False) for waiting in result.waiting],
    }


def _item(finding: Finding, *, with_repairs: bool) -> dict[str, Any]:
    repair = CODES[finding.code]
    item: dict[str, Any] = {"code": finding.code, "meaning": repair.meaning, "ids": finding.ids}
    if finding.since is not None:
        item["since"] = format_instant(finding.since)
    return item | ({"advice": repair.advice} if with_repairs else {})


def result_text(result: AuditResult, *, with_repairs: bool) -> str:
    """Return a line for each fault, and a line with the counts."""
    lines = list[str]()
    for fault in result.faults:
        repair = CODES[fault.code]
        named = " ".join(f"{name}={value}" for name, value in fault.ids.items())
        lines.append(f"{fault.code}: {repair.meaning} {named}")
        if with_repairs:
            lines.append(f"  {repair.advice}")
    summary = f"{sum(result.checked.values())} things examined by {len(result.checked)} checks"
    waiting = f", {len(result.waiting)} under way" if result.waiting else ""
    count = len(result.faults)
    verdict = f"{count} fault{'s' if count > 1 else ''}" if count else "all promises hold"
    lines += [] if result.complete else ["There are more faults than are listed: a whole store may be wrong."]
    return "\n".join([*lines, f"{verdict}: {summary}{waiting}"])
