"""The command `careslot rotate-keys`, for servers and for an embedded installation."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import sqlalchemy as sa
from typer.testing import CliRunner, Result

from careslot.cli import app
from careslot.folder import Folder, new_record_key
from patient_svc.repository.tables import RECORD_KEYS
from shared.contracts.identity import Service
from tests.service.patient.medical_histories import change_database, run_histories
from tests.service.patient.test_record_keys import read_rows


async def run_command(*arguments: str, **environment: str) -> Result:
    """Run the command in a thread, because it has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["rotate-keys", *arguments], env=environment, catch_exceptions=False)


async def test_the_command_encrypts_the_keys_of_all_patients_with_the_first_key(tmp_path: Path, sql_url: str) -> None:
    old, new = new_record_key("old"), new_record_key("new")
    async with run_histories(tmp_path, sql_url, record_keys=f"{old},{new}") as histories:
        await histories.add()
        result = await run_command(PATIENT_DATABASE_URL=sql_url, PATIENT_RECORD_KEYS=f"{new},{old}")
        assert (result.exit_code, result.stdout.splitlines()) == (
            0,
            ["all medical histories are protected by the key `new`", "not needed any more: `old`"],
        )
        assert await histories.list_titles() == ["Asthma"]
    assert [row.master_key for row in await read_rows(sql_url, RECORD_KEYS)] == ["new"]


async def test_the_command_refuses_keys_that_are_not_those_of_the_database(tmp_path: Path, sql_url: str) -> None:
    async with run_histories(tmp_path, sql_url, record_keys=new_record_key("old")) as histories:
        await histories.add()
    result = await run_command(PATIENT_DATABASE_URL=sql_url, PATIENT_RECORD_KEYS=new_record_key("new"))
    assert (result.exit_code, result.stdout.strip()) == (
        1,
        "PATIENT_RECORD_KEYS: the key `old` is missing, and medical histories need it",
    )


async def test_the_command_fails_when_a_key_cannot_be_decrypted_and_rotates_the_others(tmp_path: Path) -> None:
    url, old, new = f"sqlite+aiosqlite:///{tmp_path / 'patient.db'}", new_record_key("old"), new_record_key("new")
    async with run_histories(tmp_path, url, record_keys=old) as histories:
        await histories.add()
    await change_database(url, sa.update(RECORD_KEYS).values(wrapped_key=b"damaged"))
    result = await run_command(PATIENT_DATABASE_URL=url, PATIENT_RECORD_KEYS=f"{new},{old}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the keys of 1 patients cannot be decrypted" in result.stderr


async def test_in_a_folder_the_command_makes_a_new_key_and_removes_the_old_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    url = folder.database_url(Service.PATIENT)
    async with run_histories(tmp_path, url, record_keys=folder.record_keys()) as histories:
        await histories.add()
    result = await run_command("--data", str(folder.path))
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "all medical histories are protected by the key `2`")
    keys = json.loads((folder.path / "secrets.json").read_text())["PATIENT_RECORD_KEYS"]
    assert (keys.partition(":")[0], keys.count(",")) == ("2", 0)
    async with run_histories(tmp_path, url, record_keys=folder.record_keys()) as histories:
        assert await histories.list_titles() == ["Asthma"]


async def test_the_command_refuses_a_folder_that_is_in_use_or_does_not_exist(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    with folder.lock():
        result = await run_command("--data", str(folder.path))
    assert (result.exit_code, result.stdout.strip()) == (1, f"{folder.path} is in use by another careslot")
    assert (await run_command("--data", str(tmp_path / "none"))).exit_code == 2
    assert (await run_command(PATIENT_DATABASE_URL="")).exit_code == 2
    assert not (tmp_path / "none").exists()
