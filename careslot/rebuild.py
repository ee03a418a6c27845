"""`careslot rebuild`: requests a rebuild in the database of a service, whose job carries it out, and shows its progress."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from careslot.embedded_platform import open_embedded_platform
from careslot.folder import Folder, FolderInUse
from careslot.serve import log_to
from careslot.services import migrate, open_rebuild_requests
from shared.contracts.identity import Service
from shared.kit.ids import new_id

POLL_SECONDS = 0.25
MAX_SECONDS_WITHOUT_PROGRESS = 60.0
DESCRIPTIONS = {"reading": "reading appointments", "removing": "removing what is gone", "finished": "finished"}
COLUMNS = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} visits"), TimeElapsedColumn())


class RebuiltModel(StrEnum):
    """What can be rebuilt from the appointments, by the name of its command."""

    HISTORY = "history"
    REPORTS = "reports"

    @property
    def service(self) -> Service:
        """The service that has it."""
        return Service.PATIENT if self is RebuiltModel.HISTORY else Service.ADMIN


def rebuild_configured(model: RebuiltModel, max_seconds: float = MAX_SECONDS_WITHOUT_PROGRESS) -> None:
    """Rebuild in the database that the environment names, while its service runs."""
    variable = f"{model.service.prefix}_DATABASE_URL"
    url = os.environ.get(variable)
    if not url:
        raise typer.BadParameter(f"{variable} is not set; for an embedded installation name its folder with --data")
    asyncio.run(_rebuild(model, url, max_seconds))


def rebuild_in_folder(model: RebuiltModel, path: Path, max_seconds: float = MAX_SECONDS_WITHOUT_PROGRESS) -> None:
    """Rebuild in the embedded installation in a folder. Where it does not run, its services run meanwhile."""
    if not path.is_dir():
        raise typer.BadParameter(f"there is no folder {path}")
    asyncio.run(_rebuild_embedded(model, Folder(path), max_seconds))


async def _rebuild_embedded(model: RebuiltModel, folder: Folder, max_seconds: float) -> None:
    async with _running_platform(folder):
        await _rebuild(model, folder.database_url(model.service), max_seconds)


@asynccontextmanager
async def _running_platform(folder: Folder) -> AsyncIterator[None]:
    """Run the services of a data folder, unless another process does."""
    async with AsyncExitStack() as stack:
        with suppress(FolderInUse):
            stack.enter_context(folder.lock())
            stack.enter_context(log_to(folder.path / "careslot.log"))
            await stack.enter_async_context(open_embedded_platform(folder))
        yield


async def _rebuild(model: RebuiltModel, url: str, max_seconds: float) -> None:
    """Request a rebuild, and show its progress. Ends with exit code 1 when it makes none for `max_seconds`."""
    migrate(model.service, url)
    async with open_rebuild_requests(model.service, url) as requests:
        with Progress(*COLUMNS, console=Console(stderr=True)) as progress:
            rebuild = await _follow(requests, await requests.request(new_id()), progress, max_seconds)
    if not rebuild.is_finished:
        typer.echo(f"{model.service} or appointment-service does not run. The rebuild goes on when they do.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{rebuild.read_count} visits read, {rebuild.removed_count} removed")


async def _follow(requests: Any, rebuild: Any, progress: Progress, max_seconds: float) -> Any:
    """Show the progress until the rebuild is finished, or makes none for `max_seconds`. Returns its last state."""
    task, changed_at = progress.add_task(DESCRIPTIONS[rebuild.phase], total=None, completed=rebuild.read_count), time.monotonic()
    while not rebuild.is_finished and time.monotonic() - changed_at < max_seconds:
        await asyncio.sleep(POLL_SECONDS)
        current = await requests.find(rebuild.id) or rebuild
        if current != rebuild:
            rebuild, changed_at = current, time.monotonic()
            progress.update(task, description=DESCRIPTIONS[rebuild.phase], completed=rebuild.read_count)
    return rebuild
