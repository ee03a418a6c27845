"""The merged OpenAPI document."""

from __future__ import annotations

from typing import Any

from gateway_svc.domain.openapi_merge import merged_document
from shared.contracts.identity import Service

URL = "https://clinic.example"
REFERENCE = "#/components/schemas/"


def document(paths: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas, "securitySchemes": {"bearer": {"type": "oauth2"}}}}


def get_operation(name: str, operation: str) -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": REFERENCE + name}}}}},
        }
    }


def schema_of(merged: dict[str, Any], path: str) -> str:
    return str(merged["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].removeprefix(REFERENCE))


def test_only_paths_of_the_routing_table_are_published() -> None:
    doctor = document({"/doctors": {}, "/internal/doctors": {}, "/doctors/{id}/slots": {}, "/livez": {}})
    merged = merged_document({Service.GATEWAY: document({"/status": {}, "/doctors": {}}), Service.DOCTOR: doctor}, URL)
    assert sorted(merged["paths"]) == ["/doctors", "/status"]


def test_equal_schemas_are_shared_and_different_ones_get_a_prefix() -> None:
    problem = {"type": "object"}
    doctor = document({"/doctors": get_operation("Out", "a")}, Out={"type": "string"}, Problem=problem)
    patient = document({"/patients": get_operation("Out", "b")}, Out={"type": "integer"}, Problem=dict(problem))
    merged = merged_document({Service.DOCTOR: doctor, Service.PATIENT: patient}, URL)
    assert (schema_of(merged, "/doctors"), schema_of(merged, "/patients")) == ("Doctor_Out", "Patient_Out")
    assert merged["components"]["schemas"] == {"Doctor_Out": {"type": "string"}, "Patient_Out": {"type": "integer"}, "Problem": problem}


def test_a_schema_that_refers_to_a_conflicting_one_gets_a_prefix_too() -> None:
    page = {"type": "array", "items": {"$ref": REFERENCE + "Out"}}
    doctor = document({"/doctors": get_operation("Page", "a")}, Out={"type": "string"}, Page=page)
    patient = document({"/patients": get_operation("Page", "b")}, Out={"type": "integer"}, Page=dict(page))
    merged = merged_document({Service.DOCTOR: doctor, Service.PATIENT: patient}, URL)
    assert merged["components"]["schemas"]["Patient_Page"]["items"] == {"$ref": REFERENCE + "Patient_Out"}
    assert schema_of(merged, "/patients") == "Patient_Page"


def test_operation_ids_are_unique() -> None:
    doctor, patient = (
        document({"/doctors": get_operation("Out", "find")}, Out={}),
        document({"/patients": get_operation("Out", "find")}, Out={}),
    )
    merged = merged_document({Service.DOCTOR: doctor, Service.PATIENT: patient}, URL)
    assert [path["get"]["operationId"] for path in merged["paths"].values()] == ["find", "patient_find"]
