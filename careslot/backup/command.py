"""`careslot backup`, `careslot restore` and `careslot repeat-erasures`: what they print, and how they end."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress

from careslot.backup.create import NoInstallation, create_backup
from careslot.backup.encrypted_stream import DamagedBackup, WrongPassphrase
from careslot.backup.erasure_list import default_list_path, read_erased_patients
from careslot.backup.passphrase import read_passphrase
from careslot.backup.restore import (
    FolderNotEmpty,
    NewerRelease,
    RestoreSummary,
    move_into_place,
    prepare_restored_data,
    repeat_erasures,
    require_empty,
    unpack,
)
from careslot.backup.snapshots import DatabasesBusy
from careslot.services import settings_of
from shared.contracts.identity import Service

FAILURES = (NoInstallation, DatabasesBusy, FolderNotEmpty, WrongPassphrase, DamagedBackup, NewerRelease, OSError, sqlite3.Error)


def backup(target: Path, folder: Path) -> None:
    """Write a backup. Ends with one line and exit code 1 if that is not possible."""
    passphrase = read_passphrase(is_new=True)
    try:
        with Progress(console=Console(stderr=True), disable=not Console(stderr=True).is_terminal) as bars:
            task = bars.add_task("databases", total=None)
            create_backup(folder, target, passphrase, lambda name, done, total: bars.update(task, completed=done, total=total))
    except FAILURES as error:
        _fail(error)
    typer.echo(f"{target}: {target.stat().st_size} bytes. Without the pass phrase it cannot be read.")


def restore(source: Path, folder: Path, erasures: Path | None) -> None:
    """Restore a backup into an empty folder. Ends with one line and exit code 1 if that is not possible; then nothing is written."""
    try:
        require_empty(folder)
        erased = _read_erased_patients(erasures, folder)
    except FAILURES as error:
        _fail(error)
    passphrase = read_passphrase(is_new=False)
    try:
        draft = unpack(source, passphrase, folder)
        try:
            summary = asyncio.run(prepare_restored_data(draft, erased, lambda step: typer.echo(step, err=True)))
            move_into_place(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except FAILURES as error:
        _fail(error)
    _print_summary(summary, folder)


def repeat_listed_erasures(erasures: Path) -> None:
    """Erase the patients of a list in the database that the environment names."""
    try:
        erased = read_erased_patients(erasures)
    except OSError as error:
        _fail(error)
    summary = RestoreSummary("")
    asyncio.run(repeat_erasures(settings_of(Service.PATIENT).from_values(), erased, summary))
    _print_erasures(summary)


def _read_erased_patients(erasures: Path | None, folder: Path) -> Sequence[UUID]:
    """Return the patients of the list that is named, or of the one beside the folder if there is one."""
    if erasures is not None:
        return read_erased_patients(erasures)
    beside = default_list_path(folder.resolve())
    return read_erased_patients(beside) if beside.is_file() else []


def _print_summary(summary: RestoreSummary, folder: Path) -> None:
    typer.echo(f"{folder} is as it was at {summary.taken_at}.")
    typer.echo(f"{summary.withheld_messages} messages may have been sent since: GET /admin/messages?status=unknown lists them.")
    typer.echo(f"{summary.withheld_deliveries} deliveries to webhooks were given up; an admin can replay them.")
    typer.echo(f"{summary.ended_sessions} sessions were ended: everyone signs in again.")
    typer.echo(f"{summary.stopped_rows} rows of imports were stopped: GET /admin/imports lists them.")
    _print_erasures(summary)


def _print_erasures(summary: RestoreSummary) -> None:
    """Print how many patients were erased again. Ends with exit code 1 if one could not be."""
    typer.echo(f"{summary.erased} patients were erased again.")
    for line in summary.failed:
        typer.echo(f"not erased: {line}", err=True)
    if summary.failed:
        raise typer.Exit(1)


def _fail(error: Exception) -> None:
    typer.echo(str(error), err=True)
    raise typer.Exit(1) from None
