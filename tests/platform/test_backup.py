"""The drill: back up in the middle of bookings, destroy, restore, verify. Nothing is sent twice, and nobody who was erased comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from admin_svc.domain.import_files import read_file
from admin_svc.domain.imports import Import, ImportKind, RowStatus
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.row_encryption import AesRowEncryption
from admin_svc.usecases.imports import stored_row
from careslot.backup.create import MANIFEST
from careslot.backup.restore import prepare_restored_data
from careslot.embedded_platform import embedded_settings
from careslot.folder import Folder
from careslot.services import migrate
from patient_svc.repository.tables import PATIENTS
from shared.contracts.http import Actor
from shared.contracts.identity import Role, Service
from shared.kit.clock import system_clock
from shared.kit.sql import Database
from tests.faults.booking_load import BookingLoad
from tests.platform.accounts import User, book, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Embedded, wait_until

PASSPHRASE = "a pass phrase that is kept apart"


def run_careslot(*arguments: str, passphrase: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CARESLOT_BACKUP_PASSPHRASE": passphrase}
    return subprocess.run([sys.executable, "-m", "careslot", *arguments], env=environment, capture_output=True, text=True)


@dataclass
class Drill:
    """What was there when the folder was destroyed: `sent` are the names of the mails, `erased` was erased after the backup."""

    platform: Embedded
    backup: Path
    sent: set[str]
    erased: User
    kept: User
    booked: set[str]


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    """Book while a backup is made, go on, erase a patient, and lose the folder."""
    folder = tmp_path_factory.mktemp("drill")
    backup = folder / "clinic.backup"
    with Embedded(folder / "data") as platform:
        drill = _book_and_back_up(platform, backup)
    shutil.rmtree(platform.data)
    restored = run_careslot("restore", str(backup), "--data", str(platform.data))
    assert restored.returncode == 0, restored.stderr
    return drill


def _book_and_back_up(platform: Embedded, backup: Path) -> Drill:
    load = BookingLoad(platform, patients=4, bookings=15)
    erased, kept = register_patient(platform, "Tom Weber"), register_patient(platform, "Mina Park")
    late = [slot["starts_at"] for slot in list_slots(load.admin, load.service, load.doctor.id, days=9)][-8::4]
    with closed_mailbox(platform):
        for patient, start in zip((erased, kept), late, strict=True):
            book(patient, load.service, load.doctor, start)
        load.start()
        load.wait_for_responses(10)
        made = run_careslot("backup", str(backup), "--data", str(platform.data))
        assert made.returncode == 0, made.stderr
    load.finish()
    erased.request("DELETE", "/patients/me", appointments="cancel")
    wait_until(lambda: _has_sent_everything(platform), seconds=600)
    sent = {mail.name for mail in (platform.data / "mail").glob("*.eml")}
    return Drill(platform, backup, sent, erased, kept, set(load.confirmed))


@contextmanager
def closed_mailbox(platform: Embedded) -> Iterator[None]:
    """No mail can be delivered meanwhile, so that the messages of every booking wait."""
    mail, aside = platform.data / "mail", platform.data / "mail.aside"
    mail.rename(aside)
    mail.touch()
    yield
    mail.unlink()
    aside.rename(mail)


def _has_sent_everything(platform: Embedded) -> bool:
    """Move the clock past the pauses between attempts, and return whether no message waits any more."""
    admin = sign_in_admin(platform)
    now = datetime.fromisoformat(admin.request("GET", "/dev/clock")["now"])
    admin.request("PUT", "/dev/clock", {"now": (now + timedelta(minutes=1)).isoformat()})
    platform.run_until_idle()
    return not admin.request("GET", "/admin/messages?status=queued")["items"]


def test_the_restored_clinic_is_whole_and_sends_nothing_again(drill: Drill) -> None:
    platform = drill.platform
    verified = run_careslot("verify", "--data", str(platform.data), "--patience", "0")
    assert verified.returncode == 0, verified.stdout
    in_backup = {mail.name for mail in (platform.data / "mail").glob("*.eml")}
    with platform:
        platform.run_until_idle()
        admin = sign_in_admin(platform)
        assert {mail.name for mail in (platform.data / "mail").glob("*.eml")} == in_backup
        assert drill.sent - in_backup
        withheld = admin.request("GET", "/admin/messages?status=unknown&limit=100")["items"]
        assert {message["problem"] for message in withheld} <= {"restored"}
        for status in ("queued", "sending"):
            assert admin.request("GET", f"/admin/messages?status={status}")["items"] == []
        _check_release(platform, admin, withheld)
        _check_people(platform, drill)
        platform.run_until_idle()
    assert run_careslot("verify", "--data", str(platform.data), "--patience", "0").returncode == 0


def _check_release(platform: Embedded, admin: User, withheld: list[dict[str, Any]]) -> None:
    """An admin releases the withheld messages about visits that are still ahead."""
    released = [message for message in withheld if message["kind"] == "booked"][:2]
    assert len(released) == 2
    for message in released:
        admin.request("POST", f"/admin/messages/{message['id']}/resend", {})
        wait_until(lambda path=f"/admin/messages/{message['id']}": admin.request("GET", path)["status"] == "sent")  # type: ignore[misc]


def _check_people(platform: Embedded, drill: Drill) -> None:
    """The erased patient is unknown again, nobody is signed in, and the other one signs in and has the visit."""
    email, password = drill.erased.account["email"], "a long enough pass phrase"
    User(platform).request("POST", "/auth/login", {"email": email, "password": password}, status=401)
    User(platform).request("POST", "/auth/refresh", {"refresh_token": drill.kept.refresh}, status=401)
    signed_in = User(platform).request("POST", "/auth/login", {"email": drill.kept.account["email"], "password": password})
    kept = User(platform, signed_in["account"], signed_in["access_token"])
    assert len(kept.request("GET", "/appointments")["items"]) == 1


async def test_an_import_that_was_under_way_at_the_backup_is_stopped_and_creates_nobody(tmp_path: Path) -> None:
    """Whoever is in the file may have been created after the backup, and erased: the list of erasures cannot know a row that waits."""
    folder = Folder(tmp_path / "data")
    migrate(Service.ADMIN, folder.database_url(Service.ADMIN))
    (folder.path / MANIFEST).write_text('{"format": 1, "taken_at": "2026-03-02T12:00:00Z", "databases": []}')
    key = str(embedded_settings(Service.ADMIN, folder).model_dump()["import_key"])
    imported = Import(uuid4(), ImportKind.PATIENTS, dry_run=False, by=Actor(id=uuid4(), role=Role.ADMIN), created_at=system_clock())
    (row,) = read_file("patients", b"full_name\nMina Park\n")
    async with Database(folder.database_url(Service.ADMIN)) as database, SqlAdminStore(database, system_clock).begin() as tx:
        await tx.insert_import(imported, [stored_row(imported.id, row, AesRowEncryption(key))])
    summary = await prepare_restored_data(folder.path, [], lambda _step: None)
    assert summary.stopped_rows == 1
    async with Database(folder.database_url(Service.ADMIN)) as database:
        (outcome,) = await SqlAdminStore(database, system_clock).list_outcomes(imported.id, None, 10, None)
    assert (outcome.status, outcome.refusal and outcome.refusal.code) == (RowStatus.FAILED, "restored")
    async with Database(folder.database_url(Service.PATIENT)) as database, database.read() as connection:
        assert (await connection.execute(select(PATIENTS))).all() == []


def test_a_backup_is_not_restored_over_data_or_with_a_wrong_pass_phrase(drill: Drill, tmp_path: Path) -> None:
    over = run_careslot("restore", str(drill.backup), "--data", str(drill.platform.data))
    assert (over.returncode, over.stderr) == (1, f"{drill.platform.data} is not empty\n")
    wrong = run_careslot("restore", str(drill.backup), "--data", str(tmp_path / "data"), passphrase="another pass phrase")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (1, "", "The pass phrase is wrong.\n")
    assert list(tmp_path.iterdir()) == []
    again = run_careslot("backup", str(drill.backup), "--data", str(drill.platform.data))
    assert (again.returncode, again.stderr) == (1, f"{drill.backup} exists already\n")
