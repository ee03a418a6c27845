"""The keys of medical histories: a wrong or lost one stops the start, damaged texts are refused, and keys are rotated while in use."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from patient_svc.repository.record_cipher import RecordKeyring
from patient_svc.repository.tables import BREAK_GLASS as BREAK_GLASS_TABLE
from patient_svc.repository.tables import MEDICAL_VERSIONS, RECORD_KEYS
from patient_svc.settings import parse_record_keys
from patient_svc.wiring import open_key_rotation
from shared.contracts.identity import Role
from shared.kit.settings import InvalidSettings
from shared.kit.sql import Database
from tests.service.patient.medical_histories import BREAK_GLASS, HISTORY, SUMMARY, change_database, run_histories
from tests.service.reported_lines import read_reported


def a_record_key(name: str, first_byte: int) -> str:
    """Return a key as the setting takes it."""
    return f"{name}:{base64.b64encode(bytes(range(first_byte, first_byte + 32))).decode()}"


OLD, NEW, WRONG = a_record_key("old", 0), a_record_key("new", 50), a_record_key("old", 99)


async def read_rows(url: str, table: sa.Table) -> list[Any]:
    """Return all rows of a table."""
    async with Database(url) as database, database.read() as connection:
        return list((await connection.execute(sa.select(table))).all())


async def rotate(url: str, keys: str) -> tuple[int, int]:
    """Rotate the keys, and return how many patients' keys were encrypted anew and how many failed."""
    count, failed = 0, 0
    async with open_key_rotation(url, keys) as rotation:
        async for batch in rotation.rewrap():
            count, failed = count + batch.count, failed + len(batch.unreadable)
    return count, failed


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (NEW, "PATIENT_RECORD_KEYS: the key `old` is missing, and medical histories need it"),
        (WRONG, "PATIENT_RECORD_KEYS: `old` is not the key that had this name before"),
        (f"{NEW},{WRONG}", "PATIENT_RECORD_KEYS: `old` is not the key that had this name before"),
    ],
    ids=["lost", "wrong", "wrong beside a new one"],
)
async def test_a_lost_or_wrong_key_stops_the_start_with_one_line(tmp_path: Path, sql_url: str, keys: str, line: str) -> None:
    async with run_histories(tmp_path, sql_url, record_keys=OLD) as histories:
        await histories.add()
    with pytest.raises(InvalidSettings) as stopped:
        async with run_histories(tmp_path, sql_url, record_keys=keys):
            pass
    assert str(stopped.value) == line
    async with run_histories(tmp_path, sql_url, record_keys=OLD) as histories:
        assert await histories.list_titles() == ["Asthma"]


async def test_keys_are_rotated_step_by_step_while_all_instances_run(tmp_path: Path, sql_url: str) -> None:
    (tmp_path / "second").mkdir()
    old_first, new_first = f"{OLD},{NEW}", f"{NEW},{OLD}"
    async with run_histories(tmp_path, sql_url, record_keys=OLD) as histories:
        await histories.add()
    async with (
        run_histories(tmp_path, sql_url, record_keys=old_first) as before,
        run_histories(tmp_path / "second", sql_url, record_keys=new_first) as after,
    ):
        (written,) = await read_rows(sql_url, MEDICAL_VERSIONS)
        assert await rotate(sql_url, new_first) == (1, 0)
        assert await before.list_titles() == await after.list_titles() == ["Asthma"]
        await before.add(title="Eczema")
        await after.add(title="Hay fever")
        assert written in await read_rows(sql_url, MEDICAL_VERSIONS)  # texts are not encrypted anew, only the key of the patient
    assert [row.master_key for row in await read_rows(sql_url, RECORD_KEYS)] == ["new"]
    (line,) = [event for event in await read_reported(sql_url) if event.action == "record_keys.rotate"]
    assert (line.actor_role, line.after) == (Role.SYSTEM, {"keys": "1", "master_key": "new"})
    assert await rotate(sql_url, new_first) == (0, 0)
    async with run_histories(tmp_path, sql_url, record_keys=NEW) as histories:
        assert sorted(await histories.list_titles()) == ["Asthma", "Eczema", "Hay fever"]


async def test_a_rotation_continues_where_it_was_interrupted_and_never_restores_an_erased_key(tmp_path: Path, sql_url: str) -> None:
    async with run_histories(tmp_path, sql_url, record_keys=OLD) as histories:
        await histories.add()
    keys = f"{NEW},{OLD}"
    async with open_key_rotation(sql_url, keys) as rotation:
        listed = await rotation._list_outdated(None)
        await change_database(sql_url, sa.delete(RECORD_KEYS))
        await rotation._save([rotation._rewrapping_parameters(row) for row in listed])
    assert await read_rows(sql_url, RECORD_KEYS) == []


async def test_a_patient_whose_key_is_damaged_does_not_stop_the_rotation(tmp_path: Path, sql_url: str) -> None:
    async with run_histories(tmp_path, sql_url, record_keys=OLD) as histories:
        await histories.add()
    await change_database(sql_url, sa.update(RECORD_KEYS).values(wrapped_key=b"\x01 damaged"))
    assert await rotate(sql_url, f"{NEW},{OLD}") == (0, 1)


@pytest.mark.parametrize("damage", ["changed", "moved", "key changed", "key lost", "title lost"])
async def test_what_cannot_be_decrypted_is_refused_and_logged_and_never_shown(
    tmp_path: Path, sql_url: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_histories(tmp_path, sql_url) as histories:
        entry = await histories.add(details="every spring")
        statements = {
            "changed": sa.update(MEDICAL_VERSIONS).values(details=b"\x01" + bytes(40)),
            "moved": sa.update(MEDICAL_VERSIONS).values(title=MEDICAL_VERSIONS.c.details),
            "key changed": sa.update(RECORD_KEYS).values(wrapped_key=b"\x01" + bytes(60)),
            "key lost": sa.delete(RECORD_KEYS),
            "title lost": sa.update(MEDICAL_VERSIONS).values(title=None),
        }
        await histories.service.run_until_idle()
        await change_database(sql_url, statements[damage])
        with caplog.at_level(logging.ERROR, "careslot"):
            paths = (HISTORY, f"{HISTORY}/{entry['id']}", f"{HISTORY}/{entry['id']}/versions", SUMMARY)
            responses = [await histories.call("GET", path, "treating doctor") for path in paths]
        assert {(response.status_code, response.json()["code"]) for response in responses} == {(503, "records_unreadable")}
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == ["record_unreadable"] * 4


async def test_the_reason_of_break_glass_is_encrypted_and_belongs_to_the_patient(tmp_path: Path, sql_url: str) -> None:
    async with run_histories(tmp_path, sql_url) as histories:
        opened = [await histories.call("POST", BREAK_GLASS, "admin", {"reason": "unconscious"}) for _ in range(2)]
        assert {response.status_code for response in opened} == {201}
    reasons = [row.reason for row in await read_rows(sql_url, BREAK_GLASS_TABLE)]
    assert len(set(reasons)) == 2
    assert not any(b"unconscious" in reason for reason in reasons)


async def test_instances_that_start_together_agree_on_the_keys(tmp_path: Path, sql_url: str) -> None:
    async with run_histories(tmp_path, sql_url, record_keys=OLD):
        pass
    await asyncio.gather(*(rotate(sql_url, f"{NEW},{OLD}") for _ in range(3)))
    with pytest.raises(InvalidSettings, match="`new` is not the key"):
        await rotate(sql_url, f"{a_record_key('new', 99)},{OLD}")


async def test_a_key_that_an_instance_with_the_old_order_adds_meanwhile_is_rotated_too(tmp_path: Path, sql_url: str) -> None:
    async with run_histories(tmp_path, sql_url, record_keys=OLD) as histories:
        await histories.add()
    first_id = UUID(int=0)  # before all others in the order in which keys are rotated
    _, wrapped = RecordKeyring(parse_record_keys(OLD)).create_key(first_id)
    late = RECORD_KEYS.insert().values(patient_id=first_id, master_key=wrapped.master_key, wrapped_key=wrapped.wrapped_key)
    batches = 0
    async with open_key_rotation(sql_url, f"{NEW},{OLD}") as rotation:
        async for _ in rotation.rewrap():
            if batches == 0:
                await change_database(sql_url, late)
            batches += 1
        assert (batches, await rotation.count_outdated()) == (2, 0)
