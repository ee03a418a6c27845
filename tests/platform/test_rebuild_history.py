"""`careslot rebuild history` on an embedded installation, while it runs and while it does not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.platform.accounts import User, book, create_doctor, create_service_type, list_slots, register_patient, sign_in_admin
from tests.platform.houses import Embedded, wait_until

pytestmark = pytest.mark.xdist_group("embedded")


def execute(data: Path, statement: str, file_name: str = "patient.db") -> None:
    """Execute a statement in a database of an embedded installation."""
    with closing(sqlite3.connect(data / file_name, timeout=30)) as connection:
        connection.execute(statement)
        connection.commit()


def rebuild(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "careslot", "rebuild", "history", *arguments], capture_output=True, text=True)


def history(patient: User) -> list[str]:
    page = patient.request("GET", f"/patients/{patient.id}/appointments")
    assert page["complete"] is True
    return [item["appointment_id"] for item in page["items"]]


def test_the_history_is_rebuilt_while_the_installation_runs_and_while_it_does_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Embedded(data) as platform:
        admin = sign_in_admin(platform)
        service = create_service_type(admin)
        doctor, patient = create_doctor(admin, service), register_patient(platform)
        starts = [slot["starts_at"] for slot in list_slots(patient, service, doctor.id)]
        booked = [book(patient, service, doctor, start)["id"] for start in (starts[0], starts[8])]
        wait_until(lambda: len(history(patient)) == 2)
        execute(data, "DELETE FROM visits")
        assert history(patient) == []
        running = rebuild("--data", str(data))
        assert (running.returncode, running.stdout) == (0, "2 visits read, 0 removed\n"), running.stderr
        assert history(patient) == booked[::-1]
        execute(data, "UPDATE visits SET appointment_id = 'f' || substr(appointment_id, 2), stored_at = NULL")
        assert platform.process.end() == 0
        stopped = rebuild("--data", str(data))
        assert (stopped.returncode, stopped.stdout) == (0, "2 visits read, 2 removed\n"), stopped.stderr
        platform.start()
        assert history(patient) == booked[::-1]
        assert platform.process.end() == 0
