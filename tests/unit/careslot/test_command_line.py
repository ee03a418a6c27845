"""The commands that need no running platform."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from careslot.cli import app

SECRET = "7f3b1e0c9d5a4862bb10c4d7e6f8a9150234567890abcdef"
PREFIXES = (
    "CARESLOT_",
    "AUTH_",
    "DOCTOR_",
    "GATEWAY_",
    "PATIENT_",
)  # the fixture removes variables with these prefixes from the environment


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the commands, with none of the product's variables in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    return tmp_path


def run_command(*arguments: str, **environment: str) -> Result:
    """Run a command in this process, where the modules are imported already."""
    return CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False)


def run_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a separate process, as a user does."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])} | environment
    return subprocess.run([sys.executable, "-m", "careslot", *arguments], env=env, capture_output=True, text=True)


def test_migrate_creates_the_tables_of_the_named_service(folder: Path) -> None:
    env = {"DOCTOR_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'doctor.db'}"}
    ran = run_command("migrate", "--service", "doctor-service", **env)
    assert (ran.exit_code, ran.stdout) == (0, "doctor-service is up to date\n"), ran.stderr
    assert (folder / "doctor.db").exists()
    assert run_command("migrate", "--service", "no-service", **env).exit_code == 2


def test_check_names_the_variable_of_a_weak_secret_and_an_unreachable_database(folder: Path) -> None:
    url = f"sqlite+aiosqlite:///{folder / 'absent' / 'doctor.db'}"
    env = {"DOCTOR_DATABASE_URL": url, "GATEWAY_CLIENT_SECRET": SECRET}
    weak = run_command("check", DOCTOR_CLIENT_SECRET="short", **env)
    assert weak.exit_code == 1
    assert weak.stderr == "doctor-service: DOCTOR_CLIENT_SECRET: is shorter than 32 characters\n"
    unreachable = run_process("check", DOCTOR_CLIENT_SECRET=SECRET[::-1], **env)
    assert unreachable.returncode == 1
    assert unreachable.stderr.startswith("doctor-service: database_url cannot be used")
    assert len(unreachable.stderr.splitlines()) == 1


def test_a_rebuild_that_nothing_carries_out_stays_requested(folder: Path) -> None:
    env = {"PATIENT_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'patient.db'}"}
    for _ in range(2):
        ran = run_command("rebuild", "history", "--wait", "0.1", **env)
        assert (ran.exit_code, ran.stdout) == (1, "")
        assert "The rebuild goes on when they do." in ran.stderr
    with closing(sqlite3.connect(folder / "patient.db")) as database:
        assert database.execute("SELECT count(*), sum(finished_at IS NULL) FROM history_rebuilds").fetchall() == [(1, 1)]


def test_a_rebuild_needs_a_database_or_a_folder(folder: Path) -> None:
    for arguments, reason in (((), "PATIENT_DATABASE_URL is not set"), (("--data", "absent"), "there is no folder absent")):
        ran = run_command("rebuild", "history", *arguments)
        assert ran.exit_code == 2
        assert reason in " ".join(ran.stderr.split())
    assert not (folder / "absent").exists()


def test_check_passes_with_a_correct_environment(folder: Path) -> None:
    env = {"DOCTOR_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'doctor.db'}"}
    ran = run_command("check", DOCTOR_CLIENT_SECRET=SECRET[::-1], GATEWAY_CLIENT_SECRET=SECRET, **env)
    assert (ran.exit_code, ran.stdout) == (0, "all is well\n"), ran.stderr


def test_check_names_the_variable_of_a_wrong_rate_limit_setting() -> None:
    wrong = {"GATEWAY_RATE_SCALE": "0", "GATEWAY_RATE_STORE_URL": "memcached://localhost", "GATEWAY_TRUSTED_PROXIES": "10.0.0.1/8"}
    ran = run_command("check", GATEWAY_CLIENT_SECRET=SECRET, **wrong)
    assert ran.exit_code == 1
    assert [line.split(": ")[1] for line in ran.stderr.splitlines()] == list(wrong)


def test_check_tries_the_store_of_the_rate_limits() -> None:
    ran = run_command("check", GATEWAY_CLIENT_SECRET=SECRET, GATEWAY_RATE_STORE_URL="redis://127.0.0.1:1")
    assert (ran.exit_code, ran.stderr) == (1, "api-gateway: rate_store_url cannot be used at 127.0.0.1: ConnectionError\n")


@pytest.mark.needs_servers("REDIS")
def test_check_passes_with_a_redis_server(redis_url: str) -> None:
    ran = run_command("check", GATEWAY_CLIENT_SECRET=SECRET, GATEWAY_RATE_STORE_URL=redis_url)
    assert (ran.exit_code, ran.stdout) == (0, "all is well\n"), ran.stderr


def test_a_clock_needs_the_development_routes() -> None:
    assert run_command("serve", "--clock", "2026-03-07T12:00:00Z").exit_code == 2
    assert run_command("serve", "--dev", "--clock", "yesterday").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--dev"], "--dev"), (["--demo"], "--demo"), (["--dev", "--demo", "--clock", "2026-03-07T12:00:00Z"], "--dev, --demo, --clock")],
)
@pytest.mark.parametrize("environment", ["production", "Production ", "prod", ""])
def test_development_aids_refuse_to_start_in_production(folder: Path, arguments: list[str], named: str, environment: str) -> None:
    ran = run_command("serve", *arguments, CARESLOT_ENV=environment)
    assert (ran.exit_code, ran.output) == (1, f"CARESLOT_ENV: careslot serve refuses {named} in production\n")
    assert list(folder.iterdir()) == []


def test_production_may_be_named_in_a_file(folder: Path) -> None:
    (folder / "environment").write_text("production\n")
    ran = run_process("serve", "--dev", "--data", "data", CARESLOT_ENV_FILE=str(folder / "environment"))
    assert (ran.returncode, ran.stderr) == (1, "CARESLOT_ENV: careslot serve refuses --dev in production\n")
    assert not (folder / "data").exists()


def test_an_auditor_without_data_says_what_is_missing(folder: Path) -> None:
    ran = run_command("verify")
    assert (ran.exit_code, ran.stdout) == (4, "")
    assert ran.stderr.startswith("the store of auth-service cannot be read: there is no file ")
    assert len(ran.stderr.splitlines()) == 1
    partly = run_command("verify", AUTH_DATABASE_URL=f"sqlite+aiosqlite:///{folder / 'auth.db'}")
    assert partly.exit_code == 4
    assert partly.stderr.startswith("not set: PATIENT_DATABASE_URL, ")
    assert list(folder.iterdir()) == []


def test_the_auditor_says_that_a_database_is_of_another_release(folder: Path) -> None:
    for name in ("auth", "patient", "doctor", "scheduling", "appointment", "admin", "notify", "bus"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as database:
            database.execute("CREATE TABLE leases (name TEXT, holder TEXT, until TIMESTAMP)")
    ran = run_command("verify", "--data", str(folder))
    assert (ran.exit_code, len(ran.stderr.splitlines())) == (4, 1)
    assert "careslot migrate" in ran.stderr


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_without_a_terminal_the_pass_phrase_comes_from_the_environment(folder: Path, command: str) -> None:
    ran = run_command(command, "clinic.backup", "--data", "data")
    assert ran.exit_code == 2
    assert "CARESLOT_BACKUP_PASSPHRASE" in ran.stderr
    short = run_command("backup", "clinic.backup", "--data", "data", CARESLOT_BACKUP_PASSPHRASE="short")
    assert (short.exit_code, "fewer than 12 characters" in short.stderr) == (2, True)
    absent = run_command("backup", "clinic.backup", "--data", "data", CARESLOT_BACKUP_PASSPHRASE_FILE=str(folder / "absent"))
    assert (absent.exit_code, "cannot be read" in absent.stderr) == (2, True)
    (folder / "pass").write_text("long enough pass phrase\n")
    missing = run_command(command, "clinic.backup", "--data", "data", CARESLOT_BACKUP_PASSPHRASE_FILE=str(folder / "pass"))
    assert (missing.exit_code, len(missing.stderr.splitlines())) == (1, 1)
    assert not (folder / "clinic.backup").exists()
