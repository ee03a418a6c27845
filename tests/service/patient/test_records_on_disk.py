"""What the database of patient-service shows of a medical history to somebody who can read its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from patient_svc.repository.tables import MEDICAL_ENTRIES, MEDICAL_VERSIONS
from tests.service.patient.medical_histories import HISTORY, run_histories
from tests.service.patient.test_record_keys import read_rows

ALLERGY = {"kind": "allergy", "title": "Nuts", "severity": "severe"}
MEDICATION = {"kind": "medication", "title": "Ibuprofen", "dose": "400 mg", "status": "inactive"}
NOTE = {"kind": "note", "title": "Moved"}


def appearance(row: Any) -> dict[str, str]:
    """Return for each column of a row what does not name the row: the type, and the length of a ciphertext."""
    return {name: f"{type(value).__name__} {len(value) if isinstance(value, bytes) else ''}" for name, value in row._mapping.items()}


async def test_entries_of_all_kinds_and_states_look_alike_in_the_database(tmp_path: Path, sql_url: str) -> None:
    async with run_histories(tmp_path, sql_url) as histories:
        for body in (ALLERGY, MEDICATION, NOTE):
            assert (await histories.call("POST", HISTORY, "treating doctor", body)).status_code == 201
        own = await histories.call("POST", HISTORY, "self", NOTE)
        assert (await histories.call("POST", f"{HISTORY}/{own.json()['id']}/retract", "self", {})).status_code == 200
    for table in (MEDICAL_ENTRIES, MEDICAL_VERSIONS):
        rows = await read_rows(sql_url, table)
        assert len(rows) == (4 if table is MEDICAL_ENTRIES else 5)
        assert len({str(appearance(row)) for row in rows}) == 1
        texts = [str(value) for row in rows for value in row if not isinstance(value, bytes)]
        assert not [word for word in ("allergy", "note", "active", "practitioner", "True") if word in texts]
