"""Who may do what with a patient: the table in the README of patient-service, and the callers and requests that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.contracts.identity import Role
from tests.service.patient.medical_histories import ADMIN, ASTHMA, FORMER_DOCTOR, FORMER_GUARDIAN, GUARDIAN, STRANGER
from tests.service.patient.running_patient import DOCTOR, SAM
from tests.tokens import bearer, service_bearer

CHILD, ADULT, ADULT_WITH_ACCOUNT = UUID(int=101), UUID(int=102), UUID(int=103)
CANCELLED_DOCTOR, GLASS_ADMIN, OTHER_GUARDIAN = UUID(int=16), UUID(int=17), UUID(int=18)


@dataclass(frozen=True)
class MatrixOperation:
    """A request about a patient. `done` and `refused` are the actions that the log names; `done` is None for what leaves no line."""

    method: str
    path: str
    status: int
    done: str | None
    refused: str | None
    body: Any = None


COLUMNS: dict[str, list[MatrixOperation]] = {
    "profile": [MatrixOperation("GET", "/patients/{patient_id}", 200, "profile.read", "profile.read")],
    "change it": [
        MatrixOperation("PATCH", "/patients/{patient_id}", 200, "profile.change", "profile.change", {"phone": "+49 30 1"}),
        MatrixOperation(
            "POST", "/patients/{patient_id}/guardians", 201, "profile.change", "profile.change", {"guardian_id": str(OTHER_GUARDIAN)}
        ),
        MatrixOperation("DELETE", "/patients/{patient_id}/guardians/{guardian_id}", 204, "profile.change", "profile.change"),
    ],
    "guardians": [MatrixOperation("GET", "/patients/{patient_id}/guardians", 200, "guardians.read", "guardians.read")],
    "merge": [
        MatrixOperation(
            "POST", "/patients/{patient_id}/merge?dry_run=true", 200, "profile.read", "profile.merge", {"into": str(ADULT_WITH_ACCOUNT)}
        )
    ],
    "visits": [MatrixOperation("GET", "/patients/{patient_id}/appointments", 200, "visits.read", "visits.read")],
    "history": [
        MatrixOperation("GET", f"/patients/{{patient_id}}/medical-history{suffix}", 200, "medical_history.read", "medical_history.read")
        for suffix in ("", "/{entry_id}", "/{entry_id}/versions")
    ],
    "change history": [
        MatrixOperation("POST", "/patients/{patient_id}/medical-history", 201, "medical_history.add", "medical_history.add", ASTHMA),
        MatrixOperation(
            "PATCH",
            "/patients/{patient_id}/medical-history/{entry_id}",
            200,
            "medical_history.correct",
            "medical_history.correct",
            {"title": "Hay fever"},
        ),
        MatrixOperation(
            "POST",
            "/patients/{patient_id}/medical-history/{entry_id}/retract",
            200,
            "medical_history.retract",
            "medical_history.retract",
        ),
    ],
    "summary": [MatrixOperation("GET", "/patients/{patient_id}/summary", 200, "summary.read", "summary.read")],
    "break-glass": [
        MatrixOperation(
            "POST", "/patients/{patient_id}/break-glass", 201, "break_glass.open", "break_glass.open", {"reason": "Unconscious"}
        ),
        MatrixOperation("GET", "/patients/{patient_id}/break-glass", 200, "break_glass.read", "break_glass.read"),
    ],
    "as guardian": [
        MatrixOperation("GET", "/patients/me/dependants/{dependant_id}", 200, "dependant.read", "dependant.read"),
        MatrixOperation("GET", "/patients/me/dependants/{dependant_id}/access-log", 200, "access_log.read", "access_log.read"),
        MatrixOperation("GET", "/patients/me/dependants/{dependant_id}/preferences", 200, "dependant.read", "dependant.read"),
        MatrixOperation(
            "PUT",
            "/patients/me/dependants/{dependant_id}/preferences",
            200,
            "dependant.change",
            "dependant.change",
            {"reminders_consent": False},
        ),
    ],
}
"""The operations of each column of the table. The entry is one that the patient reported."""
ELSEWHERE = {
    ("DELETE", "/patients/me/dependants/{dependant_id}"): "ends what the table is about: test_dependants, test_ended_guardianships",
}
"""The operations about a patient that are not in the table, and the tests that have them."""


@dataclass(frozen=True)
class MatrixCaller:
    """Who asks, and about which patient."""

    headers: dict[str, str]
    patient_id: UUID = CHILD


CALLERS: dict[str, MatrixCaller] = {
    "the patient": MatrixCaller(bearer(Role.PATIENT, SAM), SAM),
    "a guardian of a minor": MatrixCaller(bearer(Role.PATIENT, GUARDIAN)),
    "a guardian of an adult without an account": MatrixCaller(bearer(Role.PATIENT, GUARDIAN), ADULT),
    "a guardian of an adult with an account": MatrixCaller(bearer(Role.PATIENT, GUARDIAN), ADULT_WITH_ACCOUNT),
    "a former guardian": MatrixCaller(bearer(Role.PATIENT, FORMER_GUARDIAN)),
    "another patient": MatrixCaller(bearer(Role.PATIENT, STRANGER)),
    "a treating doctor": MatrixCaller(bearer(Role.DOCTOR, DOCTOR)),
    "a doctor who treated the patient more than 24 months ago": MatrixCaller(bearer(Role.DOCTOR, FORMER_DOCTOR)),
    "a doctor of cancelled visits only": MatrixCaller(bearer(Role.DOCTOR, CANCELLED_DOCTOR)),
    "another doctor": MatrixCaller(bearer(Role.DOCTOR, STRANGER)),
    "reception": MatrixCaller(bearer(Role.RECEPTION, STRANGER)),
    "an admin": MatrixCaller(bearer(Role.ADMIN, ADMIN)),
    "an admin for an hour after break-glass": MatrixCaller(bearer(Role.ADMIN, GLASS_ADMIN)),
    "a guardian who is reception now": MatrixCaller(bearer(Role.RECEPTION, GUARDIAN)),
    "a guardian who is an admin now": MatrixCaller(bearer(Role.ADMIN, GUARDIAN)),
    "a guardian who is a doctor now": MatrixCaller(bearer(Role.DOCTOR, GUARDIAN)),
    "the patient, who is a doctor now": MatrixCaller(bearer(Role.DOCTOR, SAM), SAM),
    "an API client": MatrixCaller(bearer(Role.CLIENT, UUID(int=19), scope="appointments:read appointments:write messages:read")),
    "a service": MatrixCaller(service_bearer("appointment-service")),
    "nobody (no token)": MatrixCaller({}),
}
CODES = {"401": "unauthenticated", "403": "forbidden", "404": "no_such_patient"}
"""The codes of refusals that are not written in a cell."""
README = Path(__file__).parents[3] / "patient_svc" / "README.md"


MAX_README_LINES = 120
"""The README is one page; details are in docs/patients.md."""


def read_matrix() -> dict[str, dict[str, str]]:
    """Return the table in the README of patient-service: what each caller gets in each column.

    A cell is the relation that permits it and that the log names, `yes` for what the log does not name, or the status of the refusal,
    with its code where it is not that of CODES.
    """
    lines = README.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| caller | profile |"))
    rows = [[text.strip() for text in line.strip("|").split("|")] for line in takewhile(bool, lines[start:])]
    header, _, *people = rows
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in people}


MATRIX = read_matrix()
