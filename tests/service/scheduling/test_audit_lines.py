"""What scheduling-service reports to the audit trail."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from shared.contracts.identity import Role
from shared.contracts.values import format_instant
from tests.service.reported_lines import read_reported
from tests.service.scheduling.clinic import DoctorService, a_clinic
from tests.tokens import bearer
from tests.unit.scheduling.builders import DOCTOR, NINE, a_doctor, a_service

ADMIN_ID = UUID(int=77)
ADMIN, SELF = bearer(Role.ADMIN, ADMIN_ID), bearer(Role.DOCTOR, DOCTOR)
FROM, TO = format_instant(NINE), format_instant(NINE + timedelta(minutes=30))
TIMES = {"starts_at": FROM, "ends_at": TO}


async def test_leaves_and_closures_are_reported_without_their_reasons(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'scheduling.db'}"
    async with a_clinic(tmp_path, DoctorService([a_doctor()], [a_service()]), database_url=url) as clinic:
        body = TIMES | {"reason": "An operation", "affected": []}
        leave = (await clinic.http.post(f"/doctors/{DOCTOR}/leaves", json=body, headers=SELF)).json()["id"]
        assert (await clinic.http.delete(f"/doctors/{DOCTOR}/leaves/{leave}", headers=ADMIN)).status_code == 204
        body = {"from": FROM, "to": TO, "reason": "An operation"}
        closure = (await clinic.http.post("/admin/closures", json=body, headers=ADMIN)).json()["id"]
        assert (await clinic.http.delete(f"/admin/closures/{closure}", headers=ADMIN)).status_code == 204
    lines = await read_reported(url)
    assert [(line.action, line.actor_id, str(line.subject_id), str(line.row_id), line.before, line.after) for line in lines] == [
        ("leave.take", DOCTOR, str(DOCTOR), leave, None, TIMES),
        ("leave.withdraw", ADMIN_ID, str(DOCTOR), leave, TIMES, None),
        ("closure.create", ADMIN_ID, closure, closure, None, TIMES),
        ("closure.lift", ADMIN_ID, closure, closure, TIMES, None),
    ]
    assert not [line for line in lines if "operation" in line.model_dump_json()]
