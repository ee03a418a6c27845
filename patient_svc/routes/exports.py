"""The export over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from patient_svc.schemas.exports import json_pieces
from patient_svc.schemas.fhir import bundle_pieces
from patient_svc.usecases.exports import PatientExports
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.kit import access, routes
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/patients/me", tags=["Patients"])
UseExports = Annotated[PatientExports, use_case(PatientExports)]
EXAMPLE = {"format": "careslot-export-1", "generated_at": "2026-03-06T08:15:00Z", "complete": True, "missing": []}
FHIR_EXAMPLE = {"resourceType": "Bundle", "type": "collection", "timestamp": "2026-03-06T08:15:00Z", "entry": []}
EXPORT_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All that the clinic has of you; as JSON, or as a FHIR R4B Bundle",
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": EXAMPLE},
            "application/fhir+json": {"schema": {"type": "object"}, "example": FHIR_EXAMPLE},
        },
    }
}


@router.get(
    "/export",
    operation_id="export_me",
    response_class=Response,
    responses=EXPORT_RESPONSE | refusals(NoSuchPatient, Unavailable),
    summary="Export all that the clinic has of you",
)
async def export_me(
    caller: access.Patient,
    exports: UseExports,
    export_format: Annotated[
        Literal["json", "fhir"], Query(alias="format", description="`fhir`: a FHIR R4B Bundle, without notes, messages and the access log.")
    ] = "json",
) -> Response:
    """Profile, preferences, dependants, medical history with all versions, visits, appointments, messages, access log and account.

    503 when another service does not answer. If one stops to answer later, the document ends with `complete: false`, and `missing` names
    what it lacks (in a Bundle, the tag `incomplete`): then export again.
    """
    export = await exports.open(caller)
    if export_format == "fhir":
        return StreamingResponse(bundle_pieces(export), media_type="application/fhir+json")
    return StreamingResponse(json_pieces(export), media_type="application/json")
