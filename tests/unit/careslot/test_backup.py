"""Backups: the encrypted stream, the copies of databases that are written meanwhile, and the list of erased patients."""

from __future__ import annotations

import io
import json
import resource
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careslot.backup.create import NoInstallation, create_backup
from careslot.backup.encrypted_stream import CHUNK_BYTES, MAGIC, DamagedBackup, DecryptingReader, EncryptingWriter, WrongPassphrase
from careslot.backup.erasure_list import ErasureList, read_erased_patients
from careslot.backup.restore import FolderNotEmpty, NewerRelease, prepare_restored_data, unpack
from careslot.backup.snapshots import DatabasesBusy, copy_state, pin_states
from careslot.services import PACKAGES
from shared.contracts.events import PatientErased
from shared.kit.bus_embedded import EmbeddedBus

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PASSPHRASE = "correct horse battery staple"
CHEAP = 4  # the binary logarithm of the cost: the tests need no protection


def encrypt(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    file = io.BytesIO()
    with EncryptingWriter(file, passphrase, log_cost=CHEAP) as writer:
        writer.write(data)
    return file.getvalue()


def decrypt(file: bytes, passphrase: str = PASSPHRASE) -> bytes:
    reader = DecryptingReader(io.BytesIO(file), passphrase)
    data = reader.read()
    reader.require_end()
    return data


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_was_encrypted_comes_back(length: int) -> None:
    data = (b"0123456789" * (length // 10 + 1))[:length]
    encrypted = encrypt(data)
    assert decrypt(encrypted) == data
    assert b"0123456789" not in encrypted


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 30))
def test_the_sizes_of_writes_and_reads_do_not_matter(parts: list[bytes], size: int) -> None:
    file = io.BytesIO()
    with EncryptingWriter(file, PASSPHRASE, log_cost=CHEAP) as writer:
        for part in parts:
            writer.write(part)
    reader = DecryptingReader(io.BytesIO(file.getvalue()), PASSPHRASE)
    pieces = list(iter(lambda: reader.read(size), b""))
    assert b"".join(pieces) == b"".join(parts)


def test_a_wrong_pass_phrase_is_told_from_damage() -> None:
    with pytest.raises(WrongPassphrase):
        decrypt(encrypt(b"data"), "another one")
    with pytest.raises(DamagedBackup):
        decrypt(b"no backup at all")


@given(st.data())
def test_every_change_of_a_backup_is_noticed(data: st.DataObject) -> None:
    encrypted = bytearray(encrypt(bytes(100)))
    position = data.draw(st.integers(0, len(encrypted) - 1))
    if position == len(MAGIC):  # the cost: a higher one would take long, and leads to another key all the same
        return
    encrypted[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((WrongPassphrase, DamagedBackup)):
        decrypt(bytes(encrypted))


@pytest.mark.parametrize("cut", [1, 17, CHUNK_BYTES + 15, CHUNK_BYTES + 16, CHUNK_BYTES + 17])
def test_a_backup_that_was_cut_off_is_incomplete(cut: int) -> None:
    encrypted = encrypt(bytes(2 * CHUNK_BYTES + 100))
    with pytest.raises(DamagedBackup):
        decrypt(encrypted[:-cut])


def test_a_backup_that_was_not_finished_is_incomplete() -> None:
    file = io.BytesIO()
    with pytest.raises(RuntimeError), EncryptingWriter(file, PASSPHRASE, log_cost=CHEAP) as writer:  # noqa: PT012
        writer.write(bytes(2 * CHUNK_BYTES))
        raise RuntimeError
    with pytest.raises(DamagedBackup):
        decrypt(file.getvalue())


def create_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA journal_mode=WAL; CREATE TABLE numbers (number INTEGER)")


def add_number(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path, timeout=0)) as database, database:
        database.execute("INSERT INTO numbers VALUES (?)", (number,))


def numbers_in(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as database:
        return [number for (number,) in database.execute("SELECT number FROM numbers")]


def test_all_databases_are_copied_as_they_were_at_one_instant(tmp_path: Path) -> None:
    files = [tmp_path / "a.db", tmp_path / "b.db"]
    for file in files:
        create_database(file)
        add_number(file, 1)

    def read_documents() -> str:
        for file in files:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                add_number(file, 2)
        return "secret"

    with pin_states(files, read_documents) as (readers, documents):
        for file in files:
            add_number(file, 3)
        for file, reader in readers.items():
            copy_state(reader, file.with_suffix(".copy"))
    assert documents == "secret"
    assert [numbers_in(file.with_suffix(".copy")) for file in files] == [[1], [1]]
    assert [numbers_in(file) for file in files] == [[1, 3], [1, 3]]
    assert stat.S_IMODE((tmp_path / "a.copy").stat().st_mode) == 0o600


def test_a_lock_that_is_never_free_ends_the_backup_and_blocks_nothing(tmp_path: Path) -> None:
    files = [tmp_path / "a.db", tmp_path / "b.db"]
    for file in files:
        create_database(file)
    with closing(sqlite3.connect(files[1], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabasesBusy), pin_states(files, lambda: None, attempts=2):
            pass
        add_number(files[0], 1)
    with pin_states(files, lambda: None, attempts=1):
        pass


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "mail").mkdir(parents=True)
    create_database(folder / "auth.db")
    add_number(folder / "auth.db", 7)
    (folder / "secrets.json").write_text('{"AUTH": "secret"}')
    (folder / "mail" / "one.eml").write_text("Subject: one")
    return folder


def test_a_backup_has_databases_secrets_and_mails_and_only_its_owner_can_read_it(installation: Path, tmp_path: Path) -> None:
    file, reported = tmp_path / "clinic.backup", list[tuple[str, int, int]]()
    create_backup(installation, file, PASSPHRASE, lambda *step: reported.append(step))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert reported == [("auth.db", 1, 1)]
    draft = unpack(file, PASSPHRASE, tmp_path / "new")
    assert sorted(path.name for path in draft.rglob("*") if path.is_file()) == ["auth.db", "backup.json", "one.eml", "secrets.json"]
    assert numbers_in(draft / "auth.db") == [7]
    assert (draft / "secrets.json").read_text() == '{"AUTH": "secret"}'
    assert stat.S_IMODE(draft.stat().st_mode) == 0o700
    assert sorted(path.name for path in installation.iterdir() if path.name.startswith(".")) == []


def test_an_existing_file_is_not_replaced_and_a_folder_without_data_is_not_backed_up(installation: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        create_backup(installation, tmp_path / "file", PASSPHRASE, lambda *_: None)
    with pytest.raises(NoInstallation):
        create_backup(tmp_path, tmp_path / "other", PASSPHRASE, lambda *_: None)
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_is_left_of_a_backup_that_cannot_be_restored(installation: Path, tmp_path: Path) -> None:
    file, target = tmp_path / "clinic.backup", tmp_path / "place" / "new"
    create_backup(installation, file, PASSPHRASE, lambda *_: None)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises((WrongPassphrase, DamagedBackup)):
        unpack(file, PASSPHRASE, target)
    with pytest.raises(FolderNotEmpty):
        unpack(file, PASSPHRASE, installation)
    assert not target.parent.exists() or list(target.parent.iterdir()) == []


async def test_a_list_of_erasures_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path, patients = tmp_path / "data.erasures", [uuid4() for _ in range(3)]
    erasures = ErasureList(path)
    for patient_id in (patients[0], patients[1], patients[0]):
        await erasures.append(PatientErased(id=uuid4(), occurred_at=NOW, patient_id=patient_id, erasure_id=uuid4(), pass_number=1))
    with path.open("a") as file:
        file.write("2026-03-02T00:00:00Z 01a2")
    await erasures.append(PatientErased(id=uuid4(), occurred_at=NOW, patient_id=patients[2], erasure_id=uuid4(), pass_number=1))
    assert read_erased_patients(path) == patients
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_line_for_which_the_disk_has_no_room_is_not_handled_and_is_repeated(tmp_path: Path) -> None:
    path, event = (
        tmp_path / "data.erasures",
        PatientErased(id=uuid4(), occurred_at=NOW, patient_id=uuid4(), erasure_id=uuid4(), pass_number=1),
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, limits[1]))
    try:
        with pytest.raises(OSError, match="no room"):
            await ErasureList(path).append(event)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.stat().st_size == 30
    await ErasureList(path).append(event)
    assert read_erased_patients(path) == [event.patient_id]


async def test_erasures_that_were_made_while_no_list_was_open_are_appended_later(tmp_path: Path) -> None:
    path, event = (
        tmp_path / "data.erasures",
        PatientErased(id=uuid4(), occurred_at=NOW, patient_id=uuid4(), erasure_id=uuid4(), pass_number=1),
    )
    erased_later = event.model_copy(update={"id": uuid4(), "patient_id": uuid4()})
    for published in (event, erased_later):
        async with EmbeddedBus(str(tmp_path / "bus.db"), lambda: NOW) as bus:
            if published is event:
                await ErasureList(path).subscribe(bus)
            await bus.publish(published.topic, str(published.id), json.dumps(published.to_cloudevent("test")).encode())
            await bus.deliver_due()
    assert read_erased_patients(path) == [event.patient_id]
    async with EmbeddedBus(str(tmp_path / "bus.db"), lambda: NOW) as bus:
        await ErasureList(path).subscribe(bus)
        await bus.deliver_due()
    assert read_erased_patients(path) == [event.patient_id, erased_later.patient_id]


async def test_a_backup_of_a_newer_release_is_not_brought_to_rest(tmp_path: Path) -> None:
    for service in PACKAGES:
        with closing(sqlite3.connect(tmp_path / f"{service.prefix.lower()}.db")) as database:
            database.executescript("CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('9999_later')")
    (tmp_path / "backup.json").write_text('{"format": 1, "taken_at": "2026-03-02T12:00:00Z", "databases": []}')
    with pytest.raises(NewerRelease):
        await prepare_restored_data(tmp_path, [], lambda _step: None)
