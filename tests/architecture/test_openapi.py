"""What generated clients need from the OpenAPI document. It is read from the snapshot, which another test compares with the code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from tests.architecture.snapshots import FOLDER, refusal_classes
from tests.architecture.source import called_name
from tests.architecture.source import nodes as source_nodes

DOCUMENT: dict[str, Any] = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS: list[Any] = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
BY_ID = {operation["operationId"]: operation for operation in OPERATIONS}
GETS = {path["get"]["operationId"]: path["get"] for path in DOCUMENT["paths"].values() if "get" in path}
PUBLIC = {
    "list_doctors", "get_doctor", "list_services", "get_service", "list_specialties", "get_schedule", "get_jwks",
    "get_openid_configuration", "login", "logout", "forgot_password", "reset_password", "refresh", "register", "issue_token",
    "read_calendar", "read_visit", "confirm_visit", "cancel_visit", "get_status", "list_problems", "get_problem",
    "read_unsubscribe_link", "unsubscribe", "get_clinic", "get_clinic_logo", "get_audit_keys",
}  # fmt: skip
WITHOUT_VALIDATION = {
    "issue_token",
    "read_calendar",
    "read_visit",
    "read_unsubscribe_link",
}  # the first has the refusals of OAuth; the others answer 404 to any other text


def nodes_of(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a JSON value."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes_of(child)


def header_parameters(operation_id: str) -> dict[str, bool]:
    """The header parameters of an operation, and whether they are required."""
    return {item["name"]: item["required"] for item in BY_ID[operation_id].get("parameters", []) if item["in"] == "header"}


def response_headers(operation_id: str, status: str) -> set[str]:
    return set(BY_ID[operation_id]["responses"][status].get("headers", {}))


def media_types() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the content of every JSON body of a request or response."""
    for operation in OPERATIONS:
        bodies = {"request": operation.get("requestBody", {})} | operation["responses"]
        for name, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                if "json" in media_type:
                    yield f"{operation['operationId']} {name}", content


def test_the_document_says_who_makes_the_api_and_where_it_is() -> None:
    assert DOCUMENT["info"]["contact"]["url"].startswith("http")
    links = re.findall(r"\]\(([^)]+)\)", DOCUMENT["info"]["description"])
    pages = {f"{DOCUMENT['servers'][0]['url']}{path}" for path in ("/problems", "/asyncapi.json", "/docs/guides/time")}
    assert pages < set(links)
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"
    assert all(server["url"].startswith("http") for server in DOCUMENT["servers"])
    assert all(tag["description"] for tag in DOCUMENT["tags"])


def test_every_operation_has_a_description_a_known_tag_and_its_limit() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for operation in OPERATIONS:
        assert operation["description"], operation["operationId"]
        assert set(operation["tags"]) <= tags
        assert "Retry-After" in response_headers(operation["operationId"], "429")
        content = operation["responses"]["429"]["content"]
        if operation["operationId"] == "issue_token":  # its errors have the format of RFC 6749
            assert content["application/json"]["examples"]["temporarily_unavailable"]["value"] == {"error": "temporarily_unavailable"}
        else:
            assert content["application/problem+json"]["examples"]["rate_limited"]["value"]["status"] == 429
        assert all({"RateLimit", "RateLimit-Policy"} <= set(response["headers"]) for response in operation["responses"].values())


def test_the_token_endpoint_promises_only_errors_of_rfc_6749() -> None:
    responses = BY_ID["issue_token"]["responses"]
    refused = {status: response["content"] for status, response in responses.items() if status != "200"}
    assert {"400", "401", "413", "415", "429", "503", "default"} == refused.keys()
    for status, content in refused.items():
        assert content.keys() == {"application/json"}, status
        assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/TokenErrorOut"}, status


def test_only_public_operations_need_no_token() -> None:
    assert {name for name, operation in BY_ID.items() if operation["security"] == []} == PUBLIC
    assert {name for name, operation in BY_ID.items() if {} in operation["security"]} == {
        "list_slots",
        "list_slots_of_doctor",
        "list_earliest_slots",
    }


def test_a_token_is_a_plain_bearer_token_or_comes_from_an_oauth_flow() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert schemes["oauth2"]["flows"].keys() == {"password"}
    assert schemes["api_client"]["flows"].keys() == {"clientCredentials"}
    assert BY_ID["get_me"]["security"] == [{"bearer": []}, {"oauth2": []}]
    assert BY_ID["book_appointment"]["security"] == [{"bearer": []}, {"oauth2": []}, {"api_client": ["appointments:write"]}]


def test_only_two_operations_of_staff_take_an_override_of_the_calendar() -> None:
    """Unknown fields are refused, so that an operation whose body has no override in any depth cannot lift a rule."""
    bodies = {name: list(nodes_of(operation.get("requestBody", {}))) for name, operation in BY_ID.items()}
    assert {name for name, body in bodies.items() if "StaffOverride" in _schemas_in(body)} == {"book_appointment", "change_any_appointment"}


def _schemas_in(body: list[dict[str, Any]]) -> set[str]:
    """The names of all schemas that a body consists of."""
    known, names = set[str](), {node["$ref"].rpartition("/")[2] for node in body if "$ref" in node}
    while names:
        known |= names
        inner = {node["$ref"].rpartition("/")[2] for name in names for node in nodes_of(SCHEMAS[name]) if "$ref" in node}
        names = inner - known
    return known


@pytest.mark.parametrize(
    ("operation_id", "headers"),
    [
        ("book_appointment", {"Idempotency-Key": False}),
        ("reschedule_appointment", {"If-Match": False, "Idempotency-Key": False}),
        ("amend_appointment", {"If-Match": True}),
        ("put_schedule", {"If-Match": True}),
        ("delete_override", {"If-Match": False}),
        ("login", {}),
        ("get_appointment", {"If-None-Match": False}),
        ("list_appointments", {}),
        ("read_calendar", {"If-None-Match": False, "If-Modified-Since": False}),
    ],
)
def test_request_headers_are_parameters(operation_id: str, headers: dict[str, bool]) -> None:
    assert header_parameters(operation_id) == headers


def test_response_headers_are_documented() -> None:
    assert response_headers("book_appointment", "201") >= {"ETag", "Location", "Idempotent-Replayed"}
    assert response_headers("book_appointment", "202") >= {"ETag", "Location"}
    limits = {"RateLimit", "RateLimit-Policy"}
    assert response_headers("hold_time", "201") - limits == {"Location", "Idempotent-Replayed"}
    assert response_headers("get_appointment", "200") - limits == {"ETag"}
    assert response_headers("delete_override", "200") - limits == {"ETag"}
    assert response_headers("list_doctors", "200") - limits == {"Link"}
    assert response_headers("read_calendar", "200") - limits == {"ETag", "Last-Modified"}
    assert response_headers("read_calendar", "304") - limits == {"ETag", "Last-Modified"}
    assert response_headers("book_appointment", "503") - limits == {"Retry-After"}
    assert response_headers("book_appointment", "401") - limits == {"WWW-Authenticate"}


VARY_WITH_TIME = {"get_settings"}  # their ETag is only for If-Match


def test_a_resource_with_an_etag_can_be_read_conditionally() -> None:
    tagged = {name for name, operation in GETS.items() if "ETag" in response_headers(name, "200")} - VARY_WITH_TIME
    assert tagged >= {"get_appointment", "get_schedule", "get_my_profile", "get_user", "read_calendar"}
    for name in tagged:
        assert "If-None-Match" in header_parameters(name), name
        assert response_headers(name, "304") >= {"ETag"}, name
    assert {name for name in GETS if "304" in GETS[name]["responses"]} == tagged


def test_refusals_of_the_body_and_of_headers_are_documented_where_they_occur() -> None:
    for name, operation in BY_ID.items():
        codes = {
            code
            for response in operation["responses"].values()
            for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
        }
        content = operation.get("requestBody", {}).get("content", {})
        places = {parameter["in"] for parameter in operation.get("parameters", [])}
        required = {
            "validation_failed": (bool(content) or bool(places & {"path", "query"})) and name not in WITHOUT_VALIDATION,
            "body_too_large": bool(content) and name != "issue_token",  # its errors have the format of RFC 6749
            "unsupported_media_type": "application/json" in content,
            "malformed_json": "application/json" in content,
            "stale_version": "If-Match" in header_parameters(name),
            "precondition_required": header_parameters(name).get("If-Match", False),
            "idempotency_key_reused": "Idempotency-Key" in header_parameters(name),
            "request_in_progress": "Idempotency-Key" in header_parameters(name),
        }
        assert {code for code, is_required in required.items() if is_required} - codes == set(), name


def test_calendar_files_are_text() -> None:
    for operation_id in ("get_appointment_calendar", "read_calendar"):
        assert BY_ID[operation_id]["responses"]["200"]["content"] == {"text/calendar": {"schema": {"type": "string"}}}


def test_the_facts_of_a_problem_are_typed_and_absent_where_they_do_not_apply() -> None:
    problem = SCHEMAS["Problem"]
    facts = {name: field for name, field in problem["properties"].items() if name not in problem["required"]}
    assert {name: field.get("items", {}).get("$ref", field["type"]).split("/")[-1] for name, field in facts.items()} == {
        "appointments": "AheadAppointmentOut",
        "dependant_ids": "array",
        "merged_into": "string",
        "overlapping": "OverlappingVisitsOut",
        "affected": "AffectedAppointmentOut",
        "allowed": "array",
        "alternatives": "Alternative",
        "appointment_id": "string",
        "available_again_at": "string",
        "cutoff_minutes": "integer",
        "errors": "FieldError",
        "fields": "array",
        "limit": "integer",
        "longest_days": "integer",
        "patient_id": "string",
        "reasons": "ReasonOut",
        "retry_after": "integer",
        "sequence": "integer",
        "starts_at": "string",
        "unknown": "array",
        "version": "integer",
    }
    assert all(field["description"] for field in facts.values())
    assert "additionalProperties" not in problem
    assert "enum" not in problem["properties"]["code"], "a new code must not break clients"


def test_every_fact_that_the_product_states_is_a_member_of_the_schema() -> None:
    refusals = {refusal.__name__ for refusal in refusal_classes()}
    stated = set()
    for _path, node in source_nodes():
        if isinstance(node, ast.Call) and called_name(node) in refusals:
            stated |= {keyword.arg for keyword in node.keywords if keyword.arg}
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value).endswith(".facts"):
            stated.add(ast.literal_eval(node.slice))
    for refusal in refusal_classes():
        described = re.findall(r"[Ff]acts?:? ([^.]*)", refusal.__doc__ or "")
        stated |= {name for text in described for name in re.findall(r"`(\w+)`", text) if not text.startswith("`pointer` names")}
    known = SCHEMAS["Problem"]["properties"].keys() | {"pointer"}  # becomes the pointer of the only item of `errors`
    assert stated >= {"alternatives", "affected", "version", "available_again_at"}
    assert stated - known == set()


def test_the_doctor_of_a_booking_is_a_string() -> None:
    field = SCHEMAS["BookAppointment"]["properties"]["doctor_id"]
    assert (field["type"], "anyOf" in field) == ("string", False)
    validator = jsonschema_rs.validator_for(field)
    assert validator.is_valid("any")
    assert validator.is_valid("01a206b9-ffc9-726c-b520-6c5fbdafecf3")
    assert not validator.is_valid("anyone")


def test_every_schema_has_a_plain_name_which_is_its_title() -> None:
    assert {name: schema["title"] for name, schema in SCHEMAS.items()} == {name: name for name in SCHEMAS}
    assert all(name.isidentifier() and "_" not in name for name in SCHEMAS)


def is_map_of_properties(node: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether the keys of a node are the names of properties, which may be called like keywords."""
    return any(node is parent.get("properties") for parent in nodes_of(schema))


def test_schemas_have_no_defaults_and_only_keywords_of_json_schema() -> None:
    keywords = {key for schema in SCHEMAS.values() for node in nodes_of(schema) for key in node if not is_map_of_properties(node, schema)}
    assert not keywords & {"default", "ge", "gt", "le", "lt"}


@pytest.mark.parametrize("name", ["AppointmentOut", "AppointmentPage", "DoctorOut", "ScheduleOut", "ServiceTypeRules", "SlotListOut"])
def test_fields_that_are_always_present_are_required(name: str) -> None:
    assert set(SCHEMAS[name]["required"]) == SCHEMAS[name]["properties"].keys()


def test_parameters_that_may_be_left_out_have_one_type() -> None:
    for operation in OPERATIONS:
        for parameter in operation.get("parameters", []):
            assert "anyOf" not in parameter["schema"], (operation["operationId"], parameter["name"])


def test_every_example_is_valid() -> None:
    for name, content in media_types():
        schema = content["schema"] | {"components": DOCUMENT["components"]}
        examples = [content["example"]] if "example" in content else [example["value"] for example in content["examples"].values()]
        assert examples, name
        for example in examples:
            errors = [error.message for error in jsonschema_rs.iter_errors(schema, example, validate_formats=True)]
            assert not errors, (name, errors)


def test_examples_are_realistic() -> None:
    words = {text for _name, content in media_types() for text in strings_of([content.get("example"), content.get("examples")])}
    assert not words & {"text", "string", "Text", "String"}


def test_the_example_of_an_appointment_has_the_status_that_the_operation_leads_to() -> None:
    examples = {
        (name, status): response["content"]["application/json"]["example"]
        for name, operation in BY_ID.items()
        for status, response in operation["responses"].items()
        if response.get("content", {}).get("application/json", {}).get("schema") == {"$ref": "#/components/schemas/AppointmentOut"}
    }
    states = {key: (example["status"], example["cancel_reason"], example["version"]) for key, example in examples.items()}
    assert states["book_appointment", "201"] == ("booked", None, 2)
    assert states["book_appointment", "202"] == ("pending", None, 1)
    assert states["cancel_appointment", "200"] == ("cancelled", "Feeling better", 3)
    assert states["miss_appointment", "200"] == ("missed", None, 3)
    assert all((status in ("cancelled", "declined")) == bool(reason) for status, reason, _version in states.values())
    assert all(example["created_at"] <= example["updated_at"] for example in examples.values())


def strings_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings_of(child)


def test_lists_are_filtered_and_sorted_by_enumerations() -> None:
    for name, operation in BY_ID.items():
        for parameter in operation.get("parameters", []):
            if parameter["name"] in ("status", "sort", "mode", "role"):
                schema = resolved(parameter["schema"].get("items", parameter["schema"]))
                assert schema.get("enum"), (name, parameter["name"])
    for name, schema in SCHEMAS.items():
        for field in ("status", "mode", "role"):
            values = [resolved(option) for option in options_of(schema.get("properties", {}).get(field))]
            assert all(option.get("enum") for option in values if option.get("type") == "string"), (name, field)


def options_of(field: Any) -> list[Any]:
    return [] if field is None else field.get("anyOf", [field])


def resolved(schema: Any) -> Any:
    """Return the schema that a reference names, or the schema itself."""
    return SCHEMAS[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def test_an_enumeration_that_occurs_twice_has_a_name() -> None:
    """Generators make a type of each, and two types for the same values cannot be assigned to each other."""
    components = [schema for schema in SCHEMAS.values() if "enum" in schema]
    inline = [node for node in nodes_of(DOCUMENT) if isinstance(node.get("enum"), list) and node not in components]
    values = [tuple(node["enum"]) for node in inline if len(node["enum"]) > 1]
    assert sorted({enumeration for enumeration in values if values.count(enumeration) > 1}) == []
