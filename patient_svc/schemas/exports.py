"""The export as one JSON document, written piece by piece."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from patient_svc.domain.exports import EntryWithVersions, PatientExport
from patient_svc.schemas.accesses import AccessOut
from patient_svc.schemas.dependants import DependantOut, GuardianOut
from patient_svc.schemas.preferences import PreferencesOut
from patient_svc.schemas.profiles import PatientOut
from patient_svc.schemas.records import MedicalEntryOut
from patient_svc.schemas.visits import HistoryVisitOut
from shared.contracts.values import format_instant

Row = TypeVar("Row")
FORMAT = "careslot-export-1"


async def json_pieces(export: PatientExport) -> AsyncIterator[str]:
    """Yield the document. `complete` and `missing` are its last members, because they are known last."""
    for separator, (name, value) in zip(_separators("{"), _members(export).items(), strict=False):
        yield f"{separator}{json.dumps(name)}:{json.dumps(value, ensure_ascii=False)}"
    async for piece in list_pieces("medical_history", export.medical_history, _entry):
        yield piece
    async for piece in list_pieces("visits", export.visits, lambda visit: HistoryVisitOut.of(visit).model_dump(mode="json")):
        yield piece
    async for piece in list_pieces("appointments", export.appointments, lambda appointment: appointment):
        yield piece
    async for piece in list_pieces("messages", export.messages, lambda message: message):
        yield piece
    async for piece in list_pieces("access_log", export.accesses, lambda line: AccessOut.model_validate(line).model_dump(mode="json")):
        yield piece
    yield f',"complete":{json.dumps(not export.missing)},"missing":{json.dumps(export.missing)}}}'


async def list_pieces(name: str, rows: AsyncIterator[Row], to_json: Callable[[Row], Any]) -> AsyncIterator[str]:
    """Yield a member of a document that is a list, beginning with the comma before it."""
    yield f",{json.dumps(name)}:["
    separator = ""
    async for row in rows:
        yield separator + json.dumps(to_json(row), ensure_ascii=False)
        separator = ","
    yield "]"


def _separators(first: str) -> Any:
    yield first
    while True:
        yield ","


def _members(export: PatientExport) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "generated_at": format_instant(export.generated_at),
        "profile": PatientOut.model_validate(export.patient).model_dump(mode="json"),
        "preferences": PreferencesOut.from_patient(export.patient).model_dump(mode="json"),
        "dependants": [DependantOut.model_validate(dependant).model_dump(mode="json") for dependant in export.dependants],
        "guardians": [GuardianOut.model_validate(guardian).model_dump(mode="json") for guardian in export.guardians],
        "account": export.account,
    }


def _entry(entry: EntryWithVersions) -> dict[str, Any]:
    """Return an entry with its versions, the newest first."""
    versions = [MedicalEntryOut.model_validate(version).model_dump(mode="json") for version in entry.versions]
    return MedicalEntryOut.model_validate(entry.current).model_dump(mode="json") | {"versions": versions}
