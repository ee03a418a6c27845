"""What the responses of all services have in common."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from shared.contracts.identity import Role
from shared.contracts.refusals import FAMILIES, Conflict, Refusal
from shared.kit.problems import STATUS, Malformed, from_problem, problem_response, refusals, status_of
from tests.tokens import bearer
from tests.unit.kit.shop import Shop

ADMIN = bearer(Role.ADMIN)
SHOE_ID = "01a206b9-ffc9-726c-b520-6c5fbdafecf3"
REQUEST_ID, ULID = "9f1c2b7e5a4d4c0f", "01JQZ8X3V5KXW2N4M6P8R0S2T4"
FREE_TEXTS = ["abc-1.2:3_X", "Mina.Park_hiv-positive", "4930123456789", "a b", "<script>", "a\tb"]
STANDARD_MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
async def test_every_family_is_a_problem_document(shop: Shop, family: type[Refusal]) -> None:
    response = await shop.http.post(f"/refusals/{family.__name__}", headers={"X-Request-ID": REQUEST_ID})
    body = response.json()
    assert (response.status_code, response.headers["content-type"]) == (STATUS[family], "application/problem+json")
    assert body == {
        "type": f"/problems/{family.code.replace('_', '-')}",
        "title": family().title,
        "status": STATUS[family],
        "detail": "The test requests this refusal.",
        "instance": f"/refusals/{family.__name__}",
        "code": family.code,
        "request_id": REQUEST_ID,
        "colour": "red",
        "retry_after": 7,
    }, "a fact does not replace a standard member"
    assert response.headers.get("retry-after") == ("7" if STATUS[family] in (429, 503) else None)
    assert response.headers.get("www-authenticate") == ("Bearer" if STATUS[family] == 401 else None)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_refusal_of_another_service_is_relayed_unchanged(family: type[Refusal]) -> None:
    body = {"code": "slot_taken", "title": "Slot taken", "detail": "The time is taken.", "status": 1, "alternatives": [{"a": 1}]}
    relayed = from_problem(STATUS[family], body)
    assert isinstance(relayed, family)
    assert (relayed.code, relayed.title, relayed.detail) == ("slot_taken", "Slot taken", "The time is taken.")
    assert (relayed.facts, status_of(type(relayed))) == ({"alternatives": [{"a": 1}]}, STATUS[family])


@pytest.mark.parametrize("status", [400, 405, 413, 415, 418, 500, 502, 504])
def test_a_bug_of_another_service_is_unavailable_for_the_caller(status: int) -> None:
    assert status_of(type(from_problem(status, {"code": "x"}))) == 503


def test_documented_refusals_are_grouped_by_status() -> None:
    class ShelfFull(STATUS_OF[409]):  # type: ignore[misc, valid-type]
        """Raised when the shelf is full."""

        code = "shelf_full"
        detail = "The shelf is full."

    documented = refusals(*FAMILIES, ShelfFull, Malformed)
    assert set(documented) == {*STATUS.values(), 400}
    assert documented[409]["description"].endswith("`shelf_full`: The shelf is full.")


STATUS_OF = {status: family for family, status in STATUS.items()}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"), [("GET", "/no/such", 404, "not_found"), ("PUT", "/shoes", 405, "method_not_allowed")]
)
async def test_an_unknown_path_or_method_is_a_problem_document(shop: Shop, method: str, path: str, status: int, code: str) -> None:
    response = await shop.http.request(method, path)
    assert (response.status_code, response.headers["content-type"], response.json()["code"]) == (status, "application/problem+json", code)
    assert set(response.json()) == STANDARD_MEMBERS


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/shoes", "GET, HEAD, POST"),
        (f"/shoes/{SHOE_ID}", "GET, HEAD, PATCH"),
        (f"/shoes/{SHOE_ID}/polish", "POST"),
        ("/livez", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_405_lists_all_methods_of_the_path(shop: Shop, path: str, allowed: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        response = await shop.http.request(method, path)
        assert (response.status_code == 405) is (method not in allowed.split(", ")), method
        if response.status_code == 405:
            assert response.headers["allow"] == allowed
            assert method == "HEAD" or response.json()["code"] == "method_not_allowed"


async def test_a_crash_is_a_500_without_details(shop: Shop) -> None:
    response = await shop.http.get("/crash")
    assert (response.status_code, response.headers["content-type"], response.json()["code"]) == (
        500,
        "application/problem+json",
        "internal_error",
    )
    assert "secret" not in response.text


async def test_unknown_query_parameters_are_refused_by_name(shop: Shop) -> None:
    response = await shop.http.get("/shoes?colour=red&size=40&size=41&limit=1&Limit=2&sort=x")
    assert (response.status_code, response.json()["code"]) == (422, "unknown_parameter")
    assert [error["pointer"] for error in response.json()["errors"]] == ["/Limit", "/sort"]
    assert (await shop.http.get("/shoes?colour=red&size=40&size=41&limit=1")).status_code == 200
    assert (await shop.http.post("/shoes?x", json={"name": "a"}, headers=ADMIN)).status_code == 422


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "", "9" * 5000, "1e1"])
async def test_an_invalid_limit_is_a_422(shop: Shop, limit: str) -> None:
    assert (await shop.http.get(f"/shoes?limit={limit}")).status_code == 422


async def test_the_etag_is_the_version(shop: Shop) -> None:
    shoe = shop.add_shoe(version=7)
    response = await shop.http.get(f"/shoes/{shoe.id}")
    assert response.headers["etag"] == '"7"'
    created = await shop.http.post("/shoes", json={"name": "a"}, headers=ADMIN)
    assert (created.headers["etag"], created.headers["location"]) == ('"1"', f"/shoes/{created.json()['id']}")
    changed = await shop.http.patch(f"/shoes/{shoe.id}", json={"name": "b"}, headers=ADMIN | {"If-Match": '"7"'})
    assert (changed.headers["etag"], "location" in changed.headers) == ('"8"', False)


@pytest.mark.parametrize("tag", ['"1", "2"', "W/1", "one", '"', "-1", "1.0", "\u0661".encode().decode("latin-1"), "9" * 20, '"1', '1"'])
async def test_an_entity_tag_in_another_form_is_refused(shop: Shop, tag: str) -> None:
    shoe = shop.add_shoe()
    for method, path in (("PATCH", f"/shoes/{shoe.id}"), ("POST", f"/shoes/{shoe.id}/polish")):
        headers = {**ADMIN, "If-Match": tag.encode("latin-1"), "Content-Type": "application/json"}
        response = await shop.http.request(method, path, content=b'{"name": "b"}' if method == "PATCH" else b"", headers=headers)  # type: ignore[arg-type]
        assert (response.status_code, response.json()["code"]) == (422, "bad_if_match"), tag


async def test_several_lines_of_if_match_are_one_list_and_refused(shop: Shop) -> None:
    lines = [*ADMIN.items(), ("If-Match", '"1"'), ("If-Match", '"2"')]
    response = await shop.http.patch(f"/shoes/{shop.add_shoe(version=1).id}", json={"name": "b"}, headers=lines)
    assert (response.status_code, response.json()["code"]) == (422, "bad_if_match")


@pytest.mark.parametrize("tag", ['"0"', "0", 'W/"1"', 'W/"9"', '"one"', '""', '"1-gzip"', f'"{"9" * 20}"', '"-1"'])
async def test_a_tag_that_is_weak_or_no_version_is_stale(shop: Shop, tag: str) -> None:
    shoe = shop.add_shoe()
    changed = await shop.http.patch(f"/shoes/{shoe.id}", json={"name": "b"}, headers=ADMIN | {"If-Match": tag})
    assert (changed.status_code, changed.json()["code"], changed.json()["version"]) == (412, "stale_version", 1)
    polished = await shop.http.post(f"/shoes/{shoe.id}/polish", headers=ADMIN | {"If-Match": tag})
    assert (polished.status_code, polished.json()["code"]) == (412, "stale_version")


async def test_if_match_is_honoured_where_it_is_not_required(shop: Shop) -> None:
    path = f"/shoes/{shop.add_shoe(version=3).id}/polish"
    statuses = [
        (await shop.http.post(path, headers=ADMIN | if_match)).status_code for if_match in ({}, {"If-Match": '"3"'}, {"If-Match": '"2"'})
    ]
    assert statuses == [200, 200, 412]


@pytest.mark.parametrize("tag", ["", " "])
async def test_an_empty_if_match_counts_as_missing(shop: Shop, tag: str) -> None:
    response = await shop.http.patch(f"/shoes/{shop.add_shoe().id}", json={"name": "b"}, headers=ADMIN | {"If-Match": tag})
    assert (response.status_code, response.json()["code"]) == (428, "precondition_required")


@pytest.mark.parametrize("tag", ["", " "])
async def test_an_empty_if_match_is_refused_where_the_header_is_not_required(shop: Shop, tag: str) -> None:
    response = await shop.http.post(f"/shoes/{shop.add_shoe().id}/polish", headers=ADMIN | {"If-Match": tag})
    assert (response.status_code, response.json()["code"]) == (422, "bad_if_match")


async def test_an_asterisk_in_if_match_stands_for_any_version(shop: Shop) -> None:
    response = await shop.http.patch(f"/shoes/{shop.add_shoe(version=5).id}", json={"name": "b"}, headers=ADMIN | {"If-Match": "*"})
    assert response.status_code == 200


async def test_a_response_to_an_authenticated_request_is_not_stored_by_caches(shop: Shop) -> None:
    assert (await shop.http.get("/shoes", headers=ADMIN)).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await shop.http.get("/shoes")).headers
    refused = await shop.http.get(f"/shoes/{uuid4()}", headers=ADMIN)
    assert (refused.status_code, refused.headers["cache-control"]) == (404, "no-store")
    wrong = await shop.http.get("/shoes?limit=0", headers=ADMIN)
    assert (wrong.status_code, wrong.headers["cache-control"]) == (422, "no-store")


@pytest.mark.parametrize(
    "sent", [SHOE_ID, SHOE_ID.upper(), REQUEST_ID, "0aF" * 21, "01JQZ8X3V5KXW2N4M6P8R0S2T4"], ids=["uuid", "upper", "16", "63", "ulid"]
)
async def test_a_valid_request_id_is_returned(shop: Shop, sent: str) -> None:
    assert (await shop.http.get("/shoes", headers={"X-Request-ID": sent})).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "a" * 65, ULID[:-1] + "L", *FREE_TEXTS])
async def test_an_invalid_request_id_is_replaced(shop: Shop, sent: str) -> None:
    response = await shop.http.get("/no/such", headers={"X-Request-ID": sent})
    assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["x-request-id"])
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_an_aborted_transaction_is_retried_and_finally_a_503(shop: Shop) -> None:
    shop.stock.aborts = 3
    assert (await shop.http.post("/shoes", json={"name": "a"}, headers=ADMIN)).status_code == 201
    shop.stock.aborts = 1000
    response = await shop.http.post("/shoes", json={"name": "a"}, headers=ADMIN)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_the_openapi_document_describes_problem_documents(shop: Shop) -> None:
    document = shop.app.openapi()
    assert "HTTPValidationError" not in json.dumps(document)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all("application/problem+json" in operation["responses"]["default"]["content"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


async def test_a_service_is_ready_when_its_own_store_and_bus_answer(new_shop: Shop) -> None:
    async def failing_check() -> None:
        raise RuntimeError("the address of the store")

    assert (await new_shop.http.get("/readyz")).status_code == 200
    new_shop.app.state.checks.append(failing_check)
    response = await new_shop.http.get("/readyz")
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert "address" not in response.text
    assert (await new_shop.http.get("/livez")).status_code == 200, "the process itself is alive"


async def test_requests_are_counted_by_route_and_not_by_path(new_shop: Shop) -> None:
    shoe = new_shop.add_shoe()
    await new_shop.http.get(f"/shoes/{shoe.id}")
    await new_shop.http.get("/no/such/path")
    metrics = (await new_shop.http.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/shoes/{shoe_id}",status="200"} 1.0' in metrics
    assert (str(shoe.id) in metrics, "such" in metrics) == (False, False)


async def test_operations_routes_are_not_in_the_openapi_document(shop: Shop) -> None:
    assert {"/livez", "/readyz", "/metrics"} & set(shop.app.openapi()["paths"]) == set()


def test_instants_in_facts_are_in_utc_to_the_second() -> None:
    body = json.loads(bytes(problem_response(Conflict(starts_at=datetime(2026, 3, 8, 20, tzinfo=UTC)), "/x").body))
    assert body["starts_at"] == "2026-03-08T20:00:00Z"
