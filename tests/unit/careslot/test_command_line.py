"""The command line, as far as it goes without a running house."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from careslot.cli import app

SECRET = "7f3b1e0c9d5a4862bb10c4d7e6f8a9150234567890abcdef"
OWN = ("CARESLOT_", "AUTH_", "DOCTOR_")  # how the variables begin that a test sets itself


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the commands, with none of the product's variables in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(OWN)]:
        monkeypatch.delenv(name)
    return tmp_path


def careslot(*arguments: str, **environment: str) -> Result:
    """Runs a command in this process, which saves the seconds that importing everything again would take."""
    return CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False)


def careslot_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as a user does."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])} | environment
    return subprocess.run([sys.executable, "-m", "careslot", *arguments], env=env, capture_output=True, text=True)


def test_migrate_makes_the_tables_of_the_service_that_is_named(folder: Path) -> None:
    env = {"DOCTOR_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'doctor.db'}"}
    ran = careslot("migrate", "--service", "doctor-service", **env)
    assert (ran.exit_code, ran.stdout) == (0, "doctor-service is up to date\n"), ran.stderr
    assert (folder / "doctor.db").exists()
    assert careslot("migrate", "--service", "no-service", **env).exit_code == 2


def test_check_names_the_variable_of_a_weak_secret_and_a_dead_database(folder: Path) -> None:
    url = f"sqlite+aiosqlite:///{folder / 'absent' / 'doctor.db'}"
    env = {"DOCTOR_DATABASE_URL": url, "GATEWAY_CLIENT_SECRET": SECRET}
    weak = careslot("check", DOCTOR_CLIENT_SECRET="short", **env)
    assert weak.exit_code == 1
    assert weak.stderr == "doctor-service: DOCTOR_CLIENT_SECRET: is shorter than 32 characters\n"
    dead = careslot_process("check", DOCTOR_CLIENT_SECRET=SECRET[::-1], **env)
    assert dead.returncode == 1
    assert dead.stderr.startswith("doctor-service: database_url cannot be used")
    assert len(dead.stderr.splitlines()) == 1


def test_check_is_content_with_a_sound_environment(folder: Path) -> None:
    env = {"DOCTOR_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'doctor.db'}"}
    ran = careslot("check", DOCTOR_CLIENT_SECRET=SECRET[::-1], GATEWAY_CLIENT_SECRET=SECRET, **env)
    assert (ran.exit_code, ran.stdout) == (0, "all is well\n"), ran.stderr


def test_a_clock_wants_the_development_aids() -> None:
    assert careslot("serve", "--clock", "2026-03-07T12:00:00Z").exit_code == 2
    assert careslot("serve", "--dev", "--clock", "yesterday").exit_code == 2
