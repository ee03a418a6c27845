"""The command line, as far as it goes without a running house."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SECRET = "7f3b1e0c9d5a4862bb10c4d7e6f8a9150234567890abcdef"


def careslot(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("CARESLOT_", "AUTH_", "DOCTOR_"))}
    return subprocess.run(
        [sys.executable, "-m", "careslot", *arguments], env=bare | environment, cwd=folder, capture_output=True, text=True
    )


def test_migrate_makes_the_tables_of_the_service_that_is_named(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'doctor.db'}"
    env = {"PYTHONPATH": os.getcwd(), "DOCTOR_DATABASE_URL": url}
    ran = careslot("migrate", "--service", "doctor-service", folder=tmp_path, **env)
    assert (ran.returncode, ran.stdout) == (0, "doctor-service is up to date\n"), ran.stderr
    assert (tmp_path / "doctor.db").exists()
    assert careslot("migrate", "--service", "no-service", folder=tmp_path, **env).returncode == 2


def test_check_names_the_variable_of_a_weak_secret_and_a_dead_database(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'absent' / 'doctor.db'}"
    env = {"PYTHONPATH": os.getcwd(), "DOCTOR_DATABASE_URL": url, "GATEWAY_CLIENT_SECRET": SECRET}
    weak = careslot("check", folder=tmp_path, DOCTOR_CLIENT_SECRET="short", **env)
    assert weak.returncode == 1
    assert weak.stderr == "doctor-service: DOCTOR_CLIENT_SECRET: is shorter than 32 characters\n"
    dead = careslot("check", folder=tmp_path, DOCTOR_CLIENT_SECRET=SECRET[::-1], **env)
    assert dead.returncode == 1
    assert dead.stderr.startswith("doctor-service: database_url cannot be used")
    assert len(dead.stderr.splitlines()) == 1


def test_check_is_content_with_a_sound_environment(tmp_path: Path) -> None:
    env = {"PYTHONPATH": os.getcwd(), "DOCTOR_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'doctor.db'}"}
    ran = careslot("check", folder=tmp_path, DOCTOR_CLIENT_SECRET=SECRET[::-1], GATEWAY_CLIENT_SECRET=SECRET, **env)
    assert (ran.returncode, ran.stdout) == (0, "all is well\n"), ran.stderr


def test_a_clock_wants_the_development_aids(tmp_path: Path) -> None:
    ran = careslot("serve", "--clock", "2026-03-07T12:00:00Z", folder=tmp_path, PYTHONPATH=os.getcwd())
    assert ran.returncode == 2
    ran = careslot("serve", "--dev", "--clock", "yesterday", folder=tmp_path, PYTHONPATH=os.getcwd())
    assert ran.returncode == 2
