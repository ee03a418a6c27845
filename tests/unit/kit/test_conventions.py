"""What every answer of every service has in common."""

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
OWN = {"type", "title", "status", "detail", "instance", "code", "request_id"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
async def test_every_family_is_a_problem_document(here: Shop, family: type[Refusal]) -> None:
    answer = await here.http.post(f"/refusals/{family.__name__}", headers={"X-Request-ID": "r-1"})
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (STATUS[family], "application/problem+json")
    assert body == {
        "type": f"/problems/{family.code.replace('_', '-')}",
        "title": family().title,
        "status": STATUS[family],
        "detail": "It was asked for.",
        "instance": f"/refusals/{family.__name__}",
        "code": family.code,
        "request_id": "r-1",
        "colour": "red",
        "retry_after": 7,
    }, "a fact never overwrites a member of the document"
    assert answer.headers.get("retry-after") == ("7" if STATUS[family] in (429, 503) else None)
    assert answer.headers.get("www-authenticate") == ("Bearer" if STATUS[family] == 401 else None)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_neighbours_refusal_comes_back_as_it_was(family: type[Refusal]) -> None:
    body = {"code": "slot_taken", "title": "Slot taken", "detail": "The time is taken.", "status": 1, "alternatives": [{"a": 1}]}
    relayed = from_problem(STATUS[family], body)
    assert isinstance(relayed, family)
    assert (relayed.code, relayed.title, relayed.detail) == ("slot_taken", "Slot taken", "The time is taken.")
    assert (relayed.facts, status_of(type(relayed))) == ({"alternatives": [{"a": 1}]}, STATUS[family])


@pytest.mark.parametrize("status", [400, 405, 413, 415, 418, 500, 502, 504])
def test_a_neighbours_fault_is_ours_to_wait_out(status: int) -> None:
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
async def test_the_corners_are_problem_documents(here: Shop, method: str, path: str, status: int, code: str) -> None:
    answer = await here.http.request(method, path)
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (status, "application/problem+json", code)
    assert set(answer.json()) == OWN


async def test_a_405_names_what_is_allowed(here: Shop) -> None:
    assert (await here.http.put("/shoes")).headers["allow"]


async def test_a_crash_tells_nothing(here: Shop) -> None:
    answer = await here.http.get("/crash")
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (
        500,
        "application/problem+json",
        "internal_error",
    )
    assert "secret" not in answer.text


async def test_unknown_parameters_are_named(here: Shop) -> None:
    answer = await here.http.get("/shoes?colour=red&size=40&size=41&limit=1&Limit=2&sort=x")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_parameter")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/Limit", "/sort"]
    assert (await here.http.get("/shoes?colour=red&size=40&size=41&limit=1")).status_code == 200
    assert (await here.http.post("/shoes?x", json={"name": "a"}, headers=ADMIN)).status_code == 422


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "", "9" * 5000, "1e1"])
async def test_a_strange_limit_is_a_422(here: Shop, limit: str) -> None:
    assert (await here.http.get(f"/shoes?limit={limit}")).status_code == 422


async def test_the_etag_is_the_version(here: Shop) -> None:
    shoe = here.has(version=7)
    answer = await here.http.get(f"/shoes/{shoe.id}")
    assert answer.headers["etag"] == '"7"'
    made = await here.http.post("/shoes", json={"name": "a"}, headers=ADMIN)
    assert (made.headers["etag"], made.headers["location"]) == ('"1"', f"/shoes/{made.json()['id']}")
    changed = await here.http.patch(f"/shoes/{shoe.id}", json={"name": "b"}, headers=ADMIN | {"If-Match": '"7"'})
    assert (changed.headers["etag"], "location" in changed.headers) == ('"8"', False)


@pytest.mark.parametrize("tag", ['W/"1"', '"1", "2"', "one", '"', "-1", "1.0", "\u0661".encode().decode("latin-1"), "9" * 20, '"1', '1"'])
async def test_what_is_no_tag_of_ours_is_refused(here: Shop, tag: str) -> None:
    shoe = here.has()
    for method, path in (("PATCH", f"/shoes/{shoe.id}"), ("POST", f"/shoes/{shoe.id}/polish")):
        headers = {**ADMIN, "If-Match": tag.encode("latin-1"), "Content-Type": "application/json"}
        answer = await here.http.request(method, path, content=b'{"name": "b"}' if method == "PATCH" else b"", headers=headers)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_if_match"), tag


async def test_if_match_is_honoured_where_it_is_not_required(here: Shop) -> None:
    path = f"/shoes/{here.has(version=3).id}/polish"
    statuses = [(await here.http.post(path, headers=ADMIN | given)).status_code for given in ({}, {"If-Match": '"3"'}, {"If-Match": '"2"'})]
    assert statuses == [200, 200, 412]


@pytest.mark.parametrize("tag", ["", " "])
async def test_an_empty_if_match_is_none(here: Shop, tag: str) -> None:
    answer = await here.http.patch(f"/shoes/{here.has().id}", json={"name": "b"}, headers=ADMIN | {"If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")


async def test_any_version_may_be_asked_for(here: Shop) -> None:
    answer = await here.http.patch(f"/shoes/{here.has(version=5).id}", json={"name": "b"}, headers=ADMIN | {"If-Match": "*"})
    assert answer.status_code == 200


async def test_an_authenticated_answer_is_not_stored(here: Shop) -> None:
    assert (await here.http.get("/shoes", headers=ADMIN)).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await here.http.get("/shoes")).headers
    refused = await here.http.get(f"/shoes/{uuid4()}", headers=ADMIN)
    assert (refused.status_code, refused.headers["cache-control"]) == (404, "no-store")
    wrong = await here.http.get("/shoes?limit=0", headers=ADMIN)
    assert (wrong.status_code, wrong.headers["cache-control"]) == (422, "no-store")


@pytest.mark.parametrize("sent", ["abc-1.2:3_X", "x" * 128])
async def test_a_sane_request_id_is_returned(here: Shop, sent: str) -> None:
    assert (await here.http.get("/shoes", headers={"X-Request-ID": sent})).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "<script>", "a\tb"])
async def test_another_is_made_for_a_strange_one(here: Shop, sent: str) -> None:
    answer = await here.http.get("/no/such", headers={"X-Request-ID": sent})
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_an_aborted_transaction_is_done_again_and_at_last_a_503(here: Shop) -> None:
    here.shelf.aborts = 3
    assert (await here.http.post("/shoes", json={"name": "a"}, headers=ADMIN)).status_code == 201
    here.shelf.aborts = 1000
    answer = await here.http.post("/shoes", json={"name": "a"}, headers=ADMIN)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_the_document_speaks_of_problems(here: Shop) -> None:
    document = here.app.openapi()
    assert "HTTPValidationError" not in json.dumps(document)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all("application/problem+json" in operation["responses"]["default"]["content"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


async def test_a_service_is_ready_when_its_own_store_and_bus_answer(new_shop: Shop) -> None:
    async def silent() -> None:
        raise RuntimeError("the address of the store")

    assert (await new_shop.http.get("/readyz")).status_code == 200
    new_shop.app.state.checks.append(silent)
    answer = await new_shop.http.get("/readyz")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "address" not in answer.text
    assert (await new_shop.http.get("/livez")).status_code == 200, "alive all the same"


async def test_requests_are_counted_by_route_and_not_by_path(new_shop: Shop) -> None:
    shoe = new_shop.has()
    await new_shop.http.get(f"/shoes/{shoe.id}")
    await new_shop.http.get("/no/such/path")
    metrics = (await new_shop.http.get("/metrics")).text
    assert 'http_requests_total{method="GET",route="/shoes/{shoe_id}",status="200"} 1.0' in metrics
    assert (str(shoe.id) in metrics, "such" in metrics) == (False, False)


async def test_the_walls_routes_are_no_part_of_the_document(here: Shop) -> None:
    assert {"/livez", "/readyz", "/metrics"} & set(here.app.openapi()["paths"]) == set()


def test_instants_in_facts_are_written_as_everywhere() -> None:
    body = json.loads(bytes(problem_response(Conflict(starts_at=datetime(2026, 3, 8, 20, tzinfo=UTC)), "/x").body))
    assert body["starts_at"] == "2026-03-08T20:00:00Z"
