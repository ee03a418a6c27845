"""What doctor-service reports to the audit trail."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from shared.contracts.identity import Role
from tests.service.doctor.running_doctor import ADA, ADMIN_SERVICE, CHECKUP, run_doctor_service
from tests.service.reported_lines import read_reported
from tests.tokens import bearer

ADMIN_ID = UUID(int=77)
ADMIN = bearer(Role.ADMIN, ADMIN_ID)
WEEK = [{"weekday": 1, "start": "09:00", "end": "17:00"}]


async def test_every_change_of_doctors_hours_and_services_is_reported_with_its_actor(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'doctor.db'}"
    async with run_doctor_service(tmp_path, database_url=url) as doctors:
        service = (await doctors.http.post("/services", json=CHECKUP, headers=ADMIN)).json()["id"]
        await doctors.http.patch(f"/services/{service}", json={"duration_minutes": 45}, headers=ADMIN | {"If-Match": '"1"'})
        doctor = (await doctors.http.post("/doctors", json=ADA, headers=ADMIN)).json()["id"]
        own = bearer(Role.DOCTOR, doctor)
        assert (await doctors.update_doctor(doctor, 1, own, bio="A secret text")).status_code == 200
        assert (await doctors.put_weekly_hours(doctor, *WEEK, version=1, headers=own)).status_code == 200
        assert (await doctors.put_override(doctor, "2026-03-09", version=2, headers=ADMIN)).status_code == 200
        path = f"/doctors/{doctor}/schedules/overrides/2026-03-09"
        assert (await doctors.http.delete(path, headers=own)).status_code == 200
        await doctors.http.patch(f"/internal/doctors/{doctor}", json={"full_name": "Ada Grau"}, headers=ADMIN_SERVICE)
    lines = await read_reported(url)
    assert [(line.action, str(line.subject_id), line.relation) for line in lines] == [
        ("service.create", service, "admin"),
        ("service.change", service, "admin"),
        ("doctor.create", doctor, "admin"),
        ("doctor.change", doctor, "self"),
        ("hours.change", doctor, "self"),
        ("hours.override", doctor, "admin"),
        ("hours.restore", doctor, "self"),
        ("doctor.change", doctor, "system"),
    ]
    assert lines[1].after == {"fields": "duration_minutes", "version": "2"}
    assert lines[4].after == {"windows": "1"}
    assert lines[5].after == {"date": "2026-03-09", "windows": "0"}
    assert lines[0].actor_id == ADMIN_ID
    assert not [line for line in lines if "secret" in line.model_dump_json() or "Grau" in line.model_dump_json()]
