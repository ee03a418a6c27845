"""`careslot restore`: the data folder as it was at the backup, without what must not happen twice."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from alembic.util import CommandError

from careslot.backup.create import DOCUMENTS, FORMAT_VERSION, MAIL, MANIFEST
from careslot.backup.encrypted_stream import DamagedBackup, DecryptingReader
from careslot.embedded_platform import embedded_settings, open_embedded_platform
from careslot.folder import Folder
from careslot.serve import log_to
from careslot.services import PACKAGES, end_all_sessions, migrate, open_erasures, stop_imports, withhold_unsent
from notify_svc.domain.webhook_deliveries import WebhookProblem, WebhookResponse
from notify_svc.ports import MailDeferred, RenderedMail
from notify_svc.ports.webhooks import SignedDelivery
from shared.contracts.identity import Service
from shared.contracts.refusals import Refusal
from shared.kit.ids import new_id

StepCallback = Callable[[str], None]
"""Called with the name of each step when it begins."""


class FolderNotEmpty(Exception):
    """The folder into which data would be restored has some."""


class NewerRelease(Exception):
    """The backup was made by a newer release than this one."""


@dataclass(slots=True)
class RestoreSummary:
    """What was restored. `taken_at` is when the backup was made (RFC 3339). `stopped_rows` are rows of imports that waited.

    `failed` are patients who could not be erased, and why.
    """

    taken_at: str
    withheld_messages: int = 0
    withheld_deliveries: int = 0
    ended_sessions: int = 0
    stopped_rows: int = 0
    erased: int = 0
    failed: list[str] = field(default_factory=list)


class ClosedMailbox:
    """Accepts no mail, so that nothing is sent while the events of the backup are handled."""

    repeatable = False

    async def deliver(self, mail: RenderedMail) -> None:
        """Raise MailDeferred."""
        raise MailDeferred("closed")


class ClosedWebhookReceiver:
    """Connects to no webhook."""

    async def check_url(self, url: str) -> None:
        """Allow every URL; none is used."""

    async def send(self, delivery: SignedDelivery) -> WebhookResponse:
        """Return that there was no connection."""
        return WebhookResponse(problem=WebhookProblem.NOT_CONNECTED)


def unpack(source: Path, passphrase: str, folder: Path) -> Path:
    """Decrypt a backup into a new folder beside `folder`, and return it.

    Raises FolderNotEmpty, WrongPassphrase, DamagedBackup or OSError; nothing is left then.
    """
    require_empty(folder)
    with source.open("rb") as file:
        reader = DecryptingReader(cast(Any, file), passphrase)
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            _extract(reader, draft)
            reader.require_end()
            _read_manifest(draft)
        except BaseException as error:
            shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, tarfile.TarError):
                raise DamagedBackup("The backup is damaged or incomplete.") from error
            raise
    return draft


def require_empty(folder: Path) -> None:
    """Raise FolderNotEmpty unless the folder is empty or does not exist."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderNotEmpty(f"{folder} is not empty")


async def prepare_restored_data(draft: Path, erased_patients: Sequence[UUID], report_step: StepCallback) -> RestoreSummary:
    """Make restored data ready for use, so that nothing happens twice, and return what was done. Raises NewerRelease.

    Imports are stopped, because a person whom they would create may have been created and erased after the backup. Erasures are repeated.
    Then all services run without mailbox and webhooks until every event is handled and every due reminder queued: what they want to send
    may have been sent after the backup, and is withheld for an admin. In the end nobody is signed in.
    """
    folder, summary = Folder(draft), RestoreSummary(_read_manifest(draft)["taken_at"])
    _migrate_all(folder)
    summary.stopped_rows = await stop_imports(folder.database_url(Service.ADMIN))
    report_step("repeating erasures")
    await _repeat_erasures(folder, erased_patients, summary)
    report_step("handling events")
    with log_to(folder.path / "careslot.log"):
        async with open_embedded_platform(folder, mailbox=ClosedMailbox(), webhook_receiver=ClosedWebhookReceiver()) as platform:
            await platform.run_until_idle()
    report_step("withholding messages")
    counts = await withhold_unsent(folder.database_url(Service.NOTIFICATION))
    summary.withheld_messages, summary.withheld_deliveries = counts
    summary.ended_sessions = await end_all_sessions(folder.database_url(Service.AUTH))
    return summary


async def repeat_erasures(settings: Any, erased_patients: Sequence[UUID], summary: RestoreSummary) -> None:
    """Erase patients in the database of patient-service, and add to the summary how many were erased and which could not be."""
    async with open_erasures(settings) as erasures:
        for patient_id in erased_patients:
            try:
                summary.erased += await erasures.repeat(patient_id, new_id())
            except Refusal as refusal:
                if refusal.code != "no_such_patient":
                    summary.failed.append(f"{patient_id}: {refusal.code}")


def move_into_place(draft: Path, folder: Path) -> None:
    """Make the restored folder the data folder. Raises FolderNotEmpty if something has come into it meanwhile."""
    require_empty(folder)
    os.replace(draft, folder)  # replaces an empty folder


async def _repeat_erasures(folder: Folder, erased_patients: Sequence[UUID], summary: RestoreSummary) -> None:
    if erased_patients:
        await repeat_erasures(embedded_settings(Service.PATIENT, folder), erased_patients, summary)


def _migrate_all(folder: Folder) -> None:
    """Migrate the databases. Raises NewerRelease if one has a revision that this release does not know."""
    try:
        for service in PACKAGES.keys() - {Service.GATEWAY}:
            migrate(service, folder.database_url(service))
    except CommandError as error:
        raise NewerRelease("The backup was made by a newer release: restore it with that one.") from error


def _extract(reader: DecryptingReader, draft: Path) -> None:
    """Write the files of the archive. Only those that a backup has are accepted, so that no other path is ever written."""
    (draft / MAIL).mkdir()
    with tarfile.open(fileobj=cast(Any, reader), mode="r|") as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is None or not _is_expected(entry.name):
                raise DamagedBackup("The backup has a file that does not belong to it.")
            target = draft / entry.name
            target.touch(mode=0o600)
            with target.open("wb") as output:
                shutil.copyfileobj(content, output, 1 << 20)


def _is_expected(name: str) -> bool:
    is_plain = Path(name).name == name.removeprefix(f"{MAIL}/") and not name.startswith("/")
    return is_plain and (name in (*DOCUMENTS, MANIFEST) or name.endswith((".db", ".eml")))


def _read_manifest(draft: Path) -> dict[str, Any]:
    """Return what the backup says about itself. Raises DamagedBackup if it lacks a database, or has a newer format."""
    path = draft / MANIFEST
    manifest: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if manifest.get("format") != FORMAT_VERSION or any(not (draft / name).is_file() for name in manifest.get("databases", [])):
        raise DamagedBackup("The backup is incomplete, or one of a newer release.")
    return manifest
