"""What HTTP (RFC 9110) says about every operation, tried on all operations of the public API over a socket."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.platform.accounts import sign_in_admin
from tests.platform.houses import ADMIN, Embedded

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
OWN_PATHS: dict[str, Any] = {path: {"get": {}} for path in ("/openapi.json", "/docs", "/docs/swagger-ui.css", "/livez", "/readyz")}
LONG = "A" * 500
REPEATED = re.compile("A" * 101)
HEADERS = ("If-Match", "If-None-Match", "Idempotency-Key", "Content-Type", "Accept", "Prefer", "Origin", "traceparent", "Cookie")
OPERATIONS_THAT_END_THE_SESSION = {"logout_all"}


class Api:
    """A client of the gateway, the headers of an admin, and the operations of the public document."""

    def __init__(self, http: httpx.Client, admin: dict[str, str]) -> None:
        self.http, self.admin = http, admin
        self.document: Any = http.get("/openapi.json").json()
        self.paths: dict[str, Any] = OWN_PATHS | self.document["paths"]

    def operations(self) -> list[tuple[str, str, Any]]:
        """Return path, method and description of every operation."""
        return [(path, method.upper(), operation) for path, methods in self.paths.items() for method, operation in methods.items()]


@pytest.fixture
def api(embedded: Embedded) -> Iterator[Api]:
    with httpx.Client(base_url=embedded.url, timeout=30, headers={"Accept-Encoding": "identity"}) as http:
        yield Api(http, {"Authorization": sign_in_admin(embedded).http.headers["authorization"]})


def with_ids(path: str, value: str = "") -> str:
    """Return the path with `value`, or random ids and a date, in place of its parameters."""
    return re.sub(r"\{[^}]*\}", lambda _match: value or str(uuid4()), path.replace("{date}", value or "2026-03-09"))


def test_every_get_answers_head_with_the_same_headers(api: Api) -> None:
    for path, method, _operation in api.operations():
        if method == "GET":
            target = with_ids(path)
            get, head = [api.http.request(name, target, headers=api.admin) for name in ("GET", "HEAD")]
            assert (head.status_code, head.content) == (get.status_code, b""), path
            for headers in (get.headers, head.headers):
                for name in ("date", "x-request-id", "ratelimit"):
                    headers.pop(name, None)
            assert head.headers == get.headers, path


def test_a_405_lists_exactly_the_methods_of_its_path(api: Api) -> None:
    for path, operations in api.paths.items():
        documented = {method.upper() for method in operations} | ({"HEAD"} if "get" in operations else set())
        target = with_ids(path)
        for method in set(METHODS) - documented:
            response = api.http.request(method, target, headers=api.admin)
            assert (response.status_code, response.headers["content-type"]) == (405, "application/problem+json"), (method, path)
            assert set(response.headers["allow"].split(", ")) == documented, path


def test_the_development_routes_answer_head_and_list_their_methods(api: Api) -> None:
    assert api.http.head("/dev/clock").status_code == 200
    refused = api.http.patch("/dev/clock")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, PUT")


def test_a_path_that_does_not_exist_is_404_with_every_method(api: Api) -> None:
    for path in ("/nowhere", "/appointments/x/y/z", "/auth/nothing", "/docs/nothing", "/.well-known/nothing"):
        for method in ("GET", "HEAD") if path == "/docs/nothing" else METHODS:
            assert api.http.request(method, path).status_code == 404, (method, path)


def test_a_body_with_a_content_encoding_is_415_at_every_operation(api: Api) -> None:
    for path, method, operation in api.operations():
        if "requestBody" in operation:
            content_type = next(iter(operation["requestBody"]["content"]))
            headers = {"Content-Type": content_type, "Content-Encoding": "gzip", "If-Match": '"1"'}
            response = api.http.request(method, with_ids(path), content=b"\x1f\x8b", headers=headers | api.admin)
            assert response.status_code in (415, 403), (method, path)
            if response.status_code == 415:
                refusal = {"error": "invalid_request"} if path == "/auth/token" else {"code": "unsupported_content_encoding"}
                assert refusal.items() <= response.json().items(), (method, path)
                assert response.headers["accept-encoding"] == "identity"


def test_the_document_and_the_files_of_its_page_are_conditional(api: Api) -> None:
    for path in ("/openapi.json", "/docs/swagger-ui.css"):
        first = api.http.get(path)
        again = api.http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])


def test_your_own_account_is_conditional(api: Api) -> None:
    first = api.http.get("/auth/me", headers=api.admin)
    for method in ("GET", "HEAD"):
        again = api.http.request(method, "/auth/me", headers=api.admin | {"If-None-Match": f"W/{first.headers['etag']}"})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])


@pytest.mark.parametrize("path", ["/openapi.json", "/docs/swagger-ui.css"])
def test_long_responses_are_compressed_for_clients_that_accept_it(api: Api, path: str) -> None:
    sizes = {}
    for accepted in ("gzip", "gzip;q=0", "identity"):
        with api.http.stream("GET", path, headers={"Accept-Encoding": accepted}) as response:
            sizes[accepted] = len(b"".join(response.iter_raw()))
            assert (response.headers.get("content-encoding"), response.headers["vary"]) == (
                "gzip" if accepted == "gzip" else None,
                "Accept-Encoding",
            )
    assert sizes["gzip"] * 4 < sizes["identity"] == sizes["gzip;q=0"]


def test_responses_with_tokens_are_marked_so_that_they_are_not_compressed(api: Api) -> None:
    form = {"grant_type": "password", "username": ADMIN["email"], "password": ADMIN["password"]}
    gzip = {"Accept-Encoding": "gzip"}
    for response in (api.http.post("/auth/login", json=ADMIN, headers=gzip), api.http.post("/auth/token", data=form, headers=gzip)):
        assert (response.status_code, response.headers["pragma"], "content-encoding" in response.headers) == (200, "no-cache", False)


def test_every_range_is_checked_and_takes_any_number_of_fraction_digits(api: Api) -> None:
    ranges = 0
    for path, method, operation in api.operations():
        query = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
        if {"from", "to"} <= {parameter["name"] for parameter in query} and "{" not in path:
            ranges += 1
            required = {parameter["name"]: str(uuid4()) for parameter in query if parameter.get("required")}
            for last in ("2026-03-09T10:00:00Z", "2026-03-09T10:00:00.0000000001Z", "2026-03-09T09:00:00+00:00"):
                reversed_range = required | {"from": "2026-03-09T10:00:00.123456789012+00:00", "to": last}
                refused = api.http.request(method, path, params=reversed_range, headers=api.admin)
                assert (refused.status_code, refused.json()["code"] in ("range_reversed", "unknown_service")) == (422, True), refused.text
            valid_range = required | {"from": "2026-03-09T10:00:00.1234567Z", "to": "2026-03-09T11:00:00.0000000001Z"}
            accepted = api.http.request(method, path, params=valid_range, headers=api.admin)
            assert accepted.status_code == 200 or accepted.json()["code"] == "unknown_service", (path, accepted.text)
    assert ranges >= 4


def resolved(schema: Any, document: Any) -> Any:
    """Return the schema that a reference names, or the first branch that is an object."""
    if "$ref" in schema:
        return resolved(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for branch in schema.get("anyOf", []):
        if "$ref" in branch or branch.get("type") == "object":
            return resolved(branch, document)
    return schema


def long_bodies(schema: Any, document: Any, depth: int = 3) -> list[Any]:
    """Return bodies that carry LONG: as an unknown key, as the value of each field, and the same within each object."""
    schema = resolved(schema, document)
    if schema.get("type") == "array":
        return [[body] for body in long_bodies(schema["items"], document, depth)]
    bodies: list[Any] = [LONG, [LONG], {LONG: LONG}]
    if depth:
        for name, field in schema.get("properties", {}).items():
            bodies += [{name: body} for body in long_bodies(field, document, depth - 1)]
    return bodies


def hostile_requests(api: Api, path: str, method: str, operation: Any) -> list[dict[str, Any]]:
    """Return requests that carry LONG in each of their places, as arguments of httpx."""
    names = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    target, headers = with_ids(path), api.admin | {"If-Match": '"1"'}
    requests: list[dict[str, Any]] = [{"url": url} for url in (with_ids(path, LONG), f"{target}/{LONG}", f"{target}?{LONG}={LONG}")]
    requests += [{"url": f"{target}?{name}={value}"} for name in names for value in (LONG, f"%22{LONG}")]
    requests += [{"url": target, "headers": headers | {name: LONG}, "json": {}} for name in HEADERS]
    requests += [{"url": target, "headers": headers | {"Authorization": f"{scheme} {LONG}"}} for scheme in ("Bearer", "Basic", LONG)]
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        requests += [{"url": target, "json": body} for body in long_bodies(content["application/json"]["schema"], api.document)]
    if "application/x-www-form-urlencoded" in content:
        fields = ("grant_type", "username", "password", "refresh_token", "client_id", LONG)
        requests += [{"url": target, "data": {"grant_type": "password", field: LONG}} for field in fields]
    return [{"method": method, "headers": headers, **request} for request in requests]


def test_no_refusal_repeats_more_than_100_characters_of_what_was_sent(api: Api) -> None:
    operations = [operation for operation in api.operations() if operation[2].get("operationId") not in OPERATIONS_THAT_END_THE_SESSION]
    statuses = set()
    for request in itertools.chain.from_iterable(hostile_requests(api, *operation) for operation in operations):
        response = api.http.request(**request)
        statuses.add(response.status_code)
        if response.status_code >= 400:
            headers = "\n".join(value for name, value in response.headers.items() if name != "link")
            assert not REPEATED.search(response.text + headers), (request, response.text[:2000], headers)
    assert {401, 403, 404, 415, 422} <= statuses <= {200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 409, 412, 415, 422, 429}
