"""`careslot rebuild history`: requests a rebuild in the database of patient-service, whose job carries it out, and shows its progress."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from careslot.embedded_platform import open_embedded_platform
from careslot.folder import Folder, FolderInUse
from careslot.serve import log_to
from careslot.services import migrate
from patient_svc.domain.rebuilds import HistoryRebuild, RebuildPhase
from patient_svc.repository.visits import SqlRebuildStore
from patient_svc.usecases.rebuilds import RebuildRequests
from shared.contracts.identity import Service
from shared.kit.clock import system_clock
from shared.kit.ids import new_id
from shared.kit.sql import Database

POLL_SECONDS = 0.25
MAX_SECONDS_WITHOUT_PROGRESS = 60.0
PHASES = {
    RebuildPhase.READING: "reading appointments",
    RebuildPhase.REMOVING: "removing what is gone",
    RebuildPhase.FINISHED: "finished",
}


def rebuild_history(data: Path | None, max_seconds: float = MAX_SECONDS_WITHOUT_PROGRESS) -> bool:
    """Rebuild the booking histories, and print the progress.

    Without `data` it is the database of `PATIENT_DATABASE_URL`, or else the folder `careslot-data`. Returns False when the rebuild makes no
    progress for `max_seconds`. Raises typer.BadParameter when there is no such folder.
    """
    url = os.environ.get("PATIENT_DATABASE_URL", "") if data is None else ""
    if url:
        return asyncio.run(_rebuild(url, max_seconds))
    folder = data or Path("careslot-data")
    if not (folder / "secrets.json").exists():
        raise typer.BadParameter(f"{folder} is no data folder of careslot, and PATIENT_DATABASE_URL is not set")
    return asyncio.run(_rebuild_embedded(Folder(folder), max_seconds))


async def _rebuild_embedded(folder: Folder, max_seconds: float) -> bool:
    async with _running_platform(folder):
        return await _rebuild(folder.database_url(Service.PATIENT), max_seconds)


@asynccontextmanager
async def _running_platform(folder: Folder) -> AsyncIterator[None]:
    """Run the services of a data folder, unless another process does."""
    async with AsyncExitStack() as stack:
        with suppress(FolderInUse):
            stack.enter_context(folder.lock())
            stack.enter_context(log_to(folder.path / "careslot.log"))
            await stack.enter_async_context(open_embedded_platform(folder))
        yield


async def _rebuild(url: str, max_seconds: float) -> bool:
    migrate(Service.PATIENT, url)
    async with Database(url) as database:
        requests = RebuildRequests(SqlRebuildStore(database, system_clock), system_clock)
        rebuild = await requests.request(new_id())
        with Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} visits"), TimeElapsedColumn()
        ) as progress:
            rebuild = await _follow(requests, rebuild, progress, max_seconds)
    if rebuild.phase is not RebuildPhase.FINISHED:
        typer.echo("patient-service does not carry out the rebuild. It stays requested: see whether the service runs.", err=True)
        return False
    typer.echo(f"{rebuild.read_count} visits read, {rebuild.removed_count} removed")
    return True


async def _follow(requests: RebuildRequests, rebuild: HistoryRebuild, progress: Progress, max_seconds: float) -> HistoryRebuild:
    """Show the progress until the rebuild is finished, or makes none for `max_seconds`. Returns its last state."""
    task, changed_at = progress.add_task(PHASES[rebuild.phase], total=None, completed=rebuild.read_count), time.monotonic()
    while rebuild.phase is not RebuildPhase.FINISHED and time.monotonic() - changed_at < max_seconds:
        await asyncio.sleep(POLL_SECONDS)
        current = await requests.find(rebuild.id) or rebuild
        if current != rebuild:
            rebuild, changed_at = current, time.monotonic()
            progress.update(task, description=PHASES[rebuild.phase], completed=rebuild.read_count)
    return rebuild
