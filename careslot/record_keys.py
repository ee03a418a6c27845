"""`careslot rotate-keys`: encrypts the keys of patients with the first key of `PATIENT_RECORD_KEYS`, on the database itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import Progress

from careslot.folder import Folder
from careslot.services import migrate, open_key_rotation, settings_of
from shared.contracts.identity import Service


def rotate_configured() -> None:
    """Rotate the keys of the database that the environment names. All instances of patient-service may run meanwhile.

    Raises InvalidSettings for a missing or wrong key. Ends with exit code 1 when a patient's key cannot be decrypted.
    """
    if not os.environ.get("PATIENT_DATABASE_URL"):
        raise typer.BadParameter("PATIENT_DATABASE_URL is not set; for an embedded installation name its folder with --data")
    settings = settings_of(Service.PATIENT).from_values()
    rotate(settings.database_url, settings.record_keys)  # type: ignore[attr-defined]


def rotate_in_folder(path: Path) -> None:
    """Make a new key for the embedded installation in a folder, and remove the old ones when nothing needs them any more.

    Raises FolderInUse while the installation runs. Ends with exit code 1 when a patient's key cannot be decrypted.
    """
    if not path.is_dir():
        raise typer.BadParameter(f"there is no folder {path}")
    folder = Folder(path)
    with folder.lock():
        folder.record_keys()
        migrate(Service.PATIENT, folder.database_url(Service.PATIENT))
        rotate(folder.database_url(Service.PATIENT), folder.add_record_key())
        folder.remove_old_record_keys()


def rotate(database_url: str, record_keys: str) -> None:
    """Encrypt every key of a patient with the first of the record keys, and show the progress."""
    failed = asyncio.run(_rotate(database_url, record_keys))
    name, *others = (key.partition(":")[0] for key in record_keys.split(","))
    if failed:
        typer.echo(f"the keys of {len(failed)} patients cannot be decrypted, for example that of {failed[0]}", err=True)
        raise typer.Exit(1)
    typer.echo(f"all medical histories are protected by the key `{name.strip()}`")
    if others:
        typer.echo(f"not needed any more: {', '.join(f'`{other.strip()}`' for other in others)}")


async def _rotate(database_url: str, record_keys: str) -> list[UUID]:
    """Return the patients whose key cannot be decrypted. When it returns, all other keys are encrypted with the first record key."""
    failed: list[UUID] = []
    async with open_key_rotation(database_url, record_keys) as rotation:
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("keys of patients", total=await rotation.count_outdated())
            async for batch in rotation.rewrap():
                failed += batch.unreadable
                progress.advance(task, batch.count + len(batch.unreadable))
    return failed
