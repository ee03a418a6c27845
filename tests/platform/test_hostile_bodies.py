"""Bodies that no client of ours would send, against every operation that takes a body."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import pytest

from tests.platform.accounts import User, create_doctor, create_service_type, register_patient, sign_in_admin
from tests.platform.houses import Embedded

HOSTILE_BODIES = {
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a number that overflows": b'{"a": 1e999}',
    "an integer of 5,000 digits": b'{"a": ' + b"9" * 5_000 + b"}",
    "a lone surrogate": b'{"full_name": "\\ud800", "reason": "\\udfff"}',
    "a surrogate as raw UTF-8": b'{"full_name": "\xed\xa0\x80"}',
    "duplicate keys": b'{"email": "a@example.com", "email": "b@example.com"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep arrays": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    "a long key": json.dumps({"k" * 60_000: 1}).encode(),
    "a long text": json.dumps({"full_name": "x" * 60_000, "reason": "x" * 60_000}).encode()[:65_000],
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "a string": b'"text"',
    "objects as texts": b'{"full_name": {"$gt": ""}, "email": {"$ne": null}, "reason": ["x"], "starts_at": {}, "status": {}}',
    "no JSON": b"full_name=Sam",
    "a NUL": b'{"full_name": "\\u0000", "title": "\\u0000", "q": "\\u0000"}',
}
MAX_ECHO = 100


@pytest.mark.xdist_group("embedded")
@pytest.mark.parametrize("caller", ["anonymous", "patient", "doctor", "admin"])
def test_no_body_causes_an_error_of_the_server_or_is_repeated(embedded: Embedded, caller: str) -> None:
    user = signed_in(embedded, caller)
    sent = 0
    paths = User(embedded).request("GET", "/openapi.json")["paths"]
    for path in sorted(paths, key=lambda path: "logout" in path):  # signs out last
        for method in paths[path].keys() & {"post", "put", "patch"}:
            for name, body in HOSTILE_BODIES.items():
                response = send(user, method, path, body)
                sent += 1
                check_response(response, f"{method} {path} with {name} as {caller}")
    assert sent > 500


def signed_in(embedded: Embedded, caller: str) -> User:
    if caller == "anonymous":
        return User(embedded)
    if caller == "patient":
        return register_patient(embedded)
    admin = sign_in_admin(embedded)
    return create_doctor(admin, create_service_type(admin)) if caller == "doctor" else admin


def send(user: User, method: str, template: str, body: bytes) -> httpx.Response:
    ids = {"{patient_id}": user.id} if user.account.get("role") == "patient" else {}
    path = "/".join(ids.get(segment, str(uuid4())) if segment.startswith("{") else segment for segment in template.split("/"))
    content_type = "application/x-www-form-urlencoded" if template == "/auth/token" else "application/json"
    headers = {"Content-Type": content_type, "If-Match": '"1"', "Accept": "application/json"}  # pages for people answer others in HTML
    return user.http.request(method, path, content=body, headers=headers)


def check_response(response: httpx.Response, request: str) -> None:
    assert response.status_code < 500, f"{request}: {response.text[:500]}"
    if response.status_code >= 400 and "/auth/token" not in request:
        assert response.headers["content-type"] == "application/problem+json", request
        assert not any(filler * (MAX_ECHO + 1) in response.text for filler in "kx9[{"), (
            f"{request}: {len(response.text)} characters came back"
        )
