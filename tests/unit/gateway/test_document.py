"""The joined OpenAPI document."""

from __future__ import annotations

from typing import Any

from gateway_svc.domain.document import joined
from shared.contracts.identity import Service

REF = "#/components/schemas/"


def document(paths: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas, "securitySchemes": {"bearer": {"type": "oauth2"}}}}


def reads(name: str, operation: str) -> dict[str, Any]:
    return {"get": {"operationId": operation, "responses": {"200": {"content": {"application/json": {"schema": {"$ref": REF + name}}}}}}}


def schema_of(whole: dict[str, Any], path: str) -> str:
    return str(whole["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].removeprefix(REF))


def test_only_what_the_table_leads_to_is_published() -> None:
    doctor = document({"/doctors": {}, "/internal/doctors": {}, "/doctors/{id}/slots": {}, "/livez": {}})
    whole = joined({Service.GATEWAY: document({"/status": {}, "/doctors": {}}), Service.DOCTOR: doctor})
    assert sorted(whole["paths"]) == ["/doctors", "/status"]


def test_equal_schemas_are_shared_and_different_ones_are_told_apart() -> None:
    problem = {"type": "object"}
    doctor = document({"/doctors": reads("Out", "a")}, Out={"type": "string"}, Problem=problem)
    patient = document({"/patients": reads("Out", "b")}, Out={"type": "integer"}, Problem=dict(problem))
    whole = joined({Service.DOCTOR: doctor, Service.PATIENT: patient})
    assert (schema_of(whole, "/doctors"), schema_of(whole, "/patients")) == ("Doctor_Out", "Patient_Out")
    assert whole["components"]["schemas"] == {"Doctor_Out": {"type": "string"}, "Patient_Out": {"type": "integer"}, "Problem": problem}


def test_a_schema_that_holds_a_different_one_is_different_too() -> None:
    page = {"type": "array", "items": {"$ref": REF + "Out"}}
    doctor = document({"/doctors": reads("Page", "a")}, Out={"type": "string"}, Page=page)
    patient = document({"/patients": reads("Page", "b")}, Out={"type": "integer"}, Page=dict(page))
    whole = joined({Service.DOCTOR: doctor, Service.PATIENT: patient})
    assert whole["components"]["schemas"]["Patient_Page"]["items"] == {"$ref": REF + "Patient_Out"}
    assert schema_of(whole, "/patients") == "Patient_Page"


def test_operation_ids_are_unique() -> None:
    doctor, patient = document({"/doctors": reads("Out", "find")}, Out={}), document({"/patients": reads("Out", "find")}, Out={})
    whole = joined({Service.DOCTOR: doctor, Service.PATIENT: patient})
    assert [path["get"]["operationId"] for path in whole["paths"].values()] == ["find", "patient_find"]
