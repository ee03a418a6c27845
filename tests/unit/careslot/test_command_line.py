"""The commands that need no running platform."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SECRET = "7f3b1e0c9d5a4862bb10c4d7e6f8a9150234567890abcdef"


def run_careslot(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("CARESLOT_", "AUTH_", "DOCTOR_"))}
    return subprocess.run(
        [sys.executable, "-m", "careslot", *arguments], env=bare | environment, cwd=folder, capture_output=True, text=True
    )


def test_migrate_creates_the_tables_of_the_named_service(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'doctor.db'}"
    env = {"PYTHONPATH": os.getcwd(), "DOCTOR_DATABASE_URL": url}
    ran = run_careslot("migrate", "--service", "doctor-service", folder=tmp_path, **env)
    assert (ran.returncode, ran.stdout) == (0, "doctor-service is up to date\n"), ran.stderr
    assert (tmp_path / "doctor.db").exists()
    assert run_careslot("migrate", "--service", "no-service", folder=tmp_path, **env).returncode == 2


def test_check_names_the_variable_of_a_weak_secret_and_an_unreachable_database(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'absent' / 'doctor.db'}"
    env = {"PYTHONPATH": os.getcwd(), "DOCTOR_DATABASE_URL": url, "GATEWAY_CLIENT_SECRET": SECRET}
    weak = run_careslot("check", folder=tmp_path, DOCTOR_CLIENT_SECRET="short", **env)
    assert weak.returncode == 1
    assert weak.stderr == "doctor-service: DOCTOR_CLIENT_SECRET: is shorter than 32 characters\n"
    unreachable = run_careslot("check", folder=tmp_path, DOCTOR_CLIENT_SECRET=SECRET[::-1], **env)
    assert unreachable.returncode == 1
    assert unreachable.stderr.startswith("doctor-service: database_url cannot be used")
    assert len(unreachable.stderr.splitlines()) == 1


def test_check_passes_with_a_correct_environment(tmp_path: Path) -> None:
    env = {"PYTHONPATH": os.getcwd(), "DOCTOR_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'doctor.db'}"}
    ran = run_careslot("check", folder=tmp_path, DOCTOR_CLIENT_SECRET=SECRET[::-1], GATEWAY_CLIENT_SECRET=SECRET, **env)
    assert (ran.returncode, ran.stdout) == (0, "all is well\n"), ran.stderr


def test_a_clock_needs_the_development_routes(tmp_path: Path) -> None:
    ran = run_careslot("serve", "--clock", "2026-03-07T12:00:00Z", folder=tmp_path, PYTHONPATH=os.getcwd())
    assert ran.returncode == 2
    ran = run_careslot("serve", "--dev", "--clock", "yesterday", folder=tmp_path, PYTHONPATH=os.getcwd())
    assert ran.returncode == 2
