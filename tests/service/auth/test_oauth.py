"""The OAuth 2.0 token endpoint (RFC 6749), the public keys and the OpenID configuration."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import httpx
import pytest
from jose import jwt

from shared.contracts.identity import Service
from tests.service.auth.running_auth import OTHER_PASSWORD, PASSWORD, SAM, SECRETS, RunningAuth, bearer, run_auth_service

FORM = {"content-type": "application/x-www-form-urlencoded"}
ADMIN = {"client_id": "admin-service", "client_secret": SECRETS["admin_client_secret"]}


async def request_refused_token(auth: RunningAuth, **form: str) -> tuple[int, object]:
    return status_and_body(await auth.request_token(**form))


def status_and_body(response: httpx.Response) -> tuple[int, object]:
    assert (response.headers["cache-control"], response.headers["content-type"]) == ("no-store", "application/json")
    return response.status_code, response.json()


async def test_the_password_grant_answers_with_two_tokens(auth: RunningAuth) -> None:
    await auth.register()
    response = await auth.request_token(grant_type="password", username="Sam@Example.com", password=PASSWORD, scope="all", colour="red")
    status, tokens = status_and_body(response)
    assert (status, set(response.json())) == (200, {"access_token", "token_type", "expires_in", "refresh_token"})
    assert (await auth.get_me(response.json()["access_token"])).json()["email"] == SAM["email"]
    assert (
        tokens != status_and_body(await auth.request_token(grant_type="refresh_token", refresh_token=response.json()["refresh_token"]))[1]
    )


async def test_a_used_refresh_token_is_an_invalid_grant_and_ends_its_session(auth: RunningAuth) -> None:
    token = (await auth.register())["refresh_token"]
    request = {"grant_type": "refresh_token", "refresh_token": token}
    newer = (await auth.request_token(**request)).json()
    assert await request_refused_token(auth, **request) == (400, {"error": "invalid_grant"})
    assert (await auth.get_me(newer["access_token"])).status_code == 401
    assert await request_refused_token(auth, **request | {"refresh_token": newer["refresh_token"]}) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "sam@example.com", "password": ""}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "sam@example.com", "password": OTHER_PASSWORD}, 400, "invalid_grant"),
        ({"grant_type": "password", "username": "nobody", "password": OTHER_PASSWORD}, 400, "invalid_grant"),
        ({"grant_type": "password", "username": "\0\ud7ff", "password": "\0"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"grant_type": "client_credentials"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "admin-service", "client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "auth-service", "client_secret": "x" * 40}, 401, "invalid_client"),
        ({"grant_type": "authorization_code", "code": "x"}, 400, "unsupported_grant_type"),
    ],
)
async def test_errors_have_the_codes_of_rfc_6749(auth: RunningAuth, form: dict[str, str], status: int, error: str) -> None:
    await auth.register()
    assert await request_refused_token(auth, **form) == (status, {"error": error})


async def test_a_service_gets_an_access_token_but_no_refresh_token(auth: RunningAuth) -> None:
    response = await auth.request_token(grant_type="client_credentials", **ADMIN)
    assert (response.status_code, set(response.json())) == (200, {"access_token", "token_type", "expires_in"})
    assert (await auth.http.get("/internal/accounts", headers=bearer(response.json()["access_token"]))).status_code == 200
    assert (await auth.get_me(response.json()["access_token"])).status_code == 403


async def test_a_service_may_send_its_secret_by_http_basic(auth: RunningAuth) -> None:
    async def request_with_basic(credentials: str) -> httpx.Response:
        header = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
        return await auth.http.post("/auth/token", data={"grant_type": "client_credentials"}, headers=header)

    assert (await request_with_basic(f"admin-service:{ADMIN['client_secret']}")).status_code == 200
    wrong_secret = await request_with_basic("admin-service:wrong")
    assert status_and_body(wrong_secret) == (401, {"error": "invalid_client"})
    assert wrong_secret.headers["www-authenticate"].startswith("Basic ")
    unreadable = await auth.http.post("/auth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": "Basic %"})
    assert status_and_body(unreadable) == (401, {"error": "invalid_client"})


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=password&grant_type=password&username=a&password=b",
        b"\xff\xfe%ff%c0=&&&===",
        b"grant_type=%ED%A0%80",
        b"{}",
        b"",
    ],
)
async def test_an_invalid_form_is_answered_with_400(auth: RunningAuth, body: bytes) -> None:
    status, _ = status_and_body(await auth.http.post("/auth/token", content=body, headers=FORM))
    assert status == 400


async def test_json_and_multipart_are_invalid_requests(auth: RunningAuth) -> None:
    request = {"grant_type": "client_credentials", **ADMIN}
    assert status_and_body(await auth.http.post("/auth/token", json=request)) == (400, {"error": "invalid_request"})
    assert status_and_body(await auth.http.post("/auth/token", files={"grant_type": b"x"})) == (400, {"error": "invalid_request"})


async def test_a_username_that_cannot_be_stored_is_an_invalid_grant(auth: RunningAuth) -> None:
    for name in (b"%ED%A0%80@example.com", b"%00", b"a" * 5000, b"%F0%9F%98%80"):
        body = b"grant_type=password&password=x&username=" + name
        assert status_and_body(await auth.http.post("/auth/token", content=body, headers=FORM)) == (400, {"error": "invalid_grant"})


async def test_a_form_that_is_too_large_is_refused(auth: RunningAuth) -> None:
    response = await auth.http.post("/auth/token", content=b"a=" + b"x" * 70_000, headers=FORM)
    assert status_and_body(response) == (413, {"error": "invalid_request"})


async def test_a_compressed_form_is_refused(auth: RunningAuth) -> None:
    response = await auth.http.post("/auth/token", content=b"x", headers=FORM | {"Content-Encoding": "gzip"})
    assert status_and_body(response) == (415, {"error": "invalid_request"})
    assert response.headers["accept-encoding"] == "identity"


async def test_the_public_keys_can_be_cached(auth: RunningAuth) -> None:
    response = await auth.http.get("/.well-known/jwks.json")
    assert (response.status_code, response.headers["cache-control"]) == (200, "public, max-age=300")
    (key,) = response.json()["keys"]
    assert set(key) == {"kty", "alg", "use", "kid", "n", "e"}
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")


async def test_the_configuration_has_the_addresses_of_the_endpoints(auth: RunningAuth) -> None:
    response = await auth.http.get("/.well-known/openid-configuration")
    assert response.headers["cache-control"] == "public, max-age=300"
    assert response.json()["issuer"] == "http://localhost:8000"
    assert response.json()["token_endpoint"] == "http://localhost:8000/auth/token"
    assert response.json()["jwks_uri"] == "http://localhost:8000/.well-known/jwks.json"


async def test_the_issuer_is_the_public_address_and_stands_in_every_token(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path, public_url="https://clinic.example/", issuer="") as auth:
        configuration = (await auth.http.get("/.well-known/openid-configuration")).json()
        assert configuration["issuer"] == "https://clinic.example"
        assert configuration["token_endpoint"] == "https://clinic.example/auth/token"
        token = (await auth.request_token(grant_type="client_credentials", **ADMIN)).json()["access_token"]
        assert jwt.get_unverified_claims(token)["iss"] == configuration["issuer"]


async def test_every_service_authenticates_with_its_own_secret(auth: RunningAuth) -> None:
    others = [service for service in Service if service is not Service.AUTH]
    forms = [
        {"grant_type": "client_credentials", "client_id": name, "client_secret": SECRETS[f"{name.prefix.lower()}_client_secret"]}
        for name in others
    ]
    responses = await asyncio.gather(*(auth.request_token(**form) for form in forms))
    assert [response.status_code for response in responses] == [200] * 7
    swapped = forms[0] | {"client_secret": forms[1]["client_secret"]}
    assert await request_refused_token(auth, **swapped) == (401, {"error": "invalid_client"})
