"""The token endpoint as RFC 6749 has it, and the documents beside it."""

from __future__ import annotations

import asyncio
import base64

import httpx
import pytest

from shared.contracts.identity import Service
from tests.service.auth.house import OTHER, PASSWORD, SAM, SECRETS, House, bearer

FORM = {"content-type": "application/x-www-form-urlencoded"}
ADMIN = {"client_id": "admin-service", "client_secret": SECRETS["admin_client_secret"]}


async def refused(house: House, **form: str) -> tuple[int, object]:
    return said(await house.grant(**form))


def said(answer: httpx.Response) -> tuple[int, object]:
    assert (answer.headers["cache-control"], answer.headers["content-type"]) == ("no-store", "application/json")
    return answer.status_code, answer.json()


async def test_a_password_is_granted_a_pair(house: House) -> None:
    await house.register()
    answer = await house.grant(grant_type="password", username="Sam@Example.com", password=PASSWORD, scope="all", colour="red")
    status, pair = said(answer)
    assert (status, set(answer.json())) == (200, {"access_token", "token_type", "expires_in", "refresh_token"})
    assert (await house.me(answer.json()["access_token"])).json()["email"] == SAM["email"]
    assert pair != said(await house.grant(grant_type="refresh_token", refresh_token=answer.json()["refresh_token"]))[1]


async def test_a_used_refresh_token_is_an_invalid_grant_and_ends_its_session(house: House) -> None:
    token = (await house.register())["refresh_token"]
    wish = {"grant_type": "refresh_token", "refresh_token": token}
    newer = (await house.grant(**wish)).json()
    assert await refused(house, **wish) == (400, {"error": "invalid_grant"})
    assert (await house.me(newer["access_token"])).status_code == 401
    assert await refused(house, **wish | {"refresh_token": newer["refresh_token"]}) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "sam@example.com", "password": ""}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "sam@example.com", "password": OTHER}, 400, "invalid_grant"),
        ({"grant_type": "password", "username": "nobody", "password": OTHER}, 400, "invalid_grant"),
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
async def test_a_refusal_is_as_rfc_6749_has_it(house: House, form: dict[str, str], status: int, error: str) -> None:
    await house.register()
    assert await refused(house, **form) == (status, {"error": error})


async def test_a_service_is_granted_a_token_without_a_refresh_token(house: House) -> None:
    answer = await house.grant(grant_type="client_credentials", **ADMIN)
    assert (answer.status_code, set(answer.json())) == (200, {"access_token", "token_type", "expires_in"})
    assert (await house.http.get("/internal/accounts", headers=bearer(answer.json()["access_token"]))).status_code == 200
    assert (await house.me(answer.json()["access_token"])).status_code == 403


async def test_a_service_may_prove_itself_in_the_header(house: House) -> None:
    async def given(text: str) -> httpx.Response:
        header = {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}
        return await house.http.post("/auth/token", data={"grant_type": "client_credentials"}, headers=header)

    assert (await given(f"admin-service:{ADMIN['client_secret']}")).status_code == 200
    wrong = await given("admin-service:wrong")
    assert said(wrong) == (401, {"error": "invalid_client"})
    assert wrong.headers["www-authenticate"].startswith("Basic ")
    unreadable = await house.http.post("/auth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": "Basic %"})
    assert said(unreadable) == (401, {"error": "invalid_client"})


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
async def test_a_form_that_is_none_is_an_invalid_request(house: House, body: bytes) -> None:
    status, _ = said(await house.http.post("/auth/token", content=body, headers=FORM))
    assert status == 400


async def test_json_and_multipart_are_invalid_requests(house: House) -> None:
    wish = {"grant_type": "client_credentials", **ADMIN}
    assert said(await house.http.post("/auth/token", json=wish)) == (400, {"error": "invalid_request"})
    assert said(await house.http.post("/auth/token", files={"grant_type": b"x"})) == (400, {"error": "invalid_request"})


async def test_a_username_that_no_database_can_hold_is_nobody(house: House) -> None:
    for name in (b"%ED%A0%80@example.com", b"%00", b"a" * 5000, b"%F0%9F%98%80"):
        body = b"grant_type=password&password=x&username=" + name
        assert said(await house.http.post("/auth/token", content=body, headers=FORM)) == (400, {"error": "invalid_grant"})


async def test_a_form_that_is_too_large_is_not_read(house: House) -> None:
    answer = await house.http.post("/auth/token", content=b"a=" + b"x" * 70_000, headers=FORM)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_the_keys_are_public_and_cacheable(house: House) -> None:
    answer = await house.http.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=300")
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "alg", "use", "kid", "n", "e"}
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")


async def test_the_configuration_names_the_endpoints(house: House) -> None:
    answer = await house.http.get("/.well-known/openid-configuration")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.json()["token_endpoint"] == "http://localhost:8000/auth/token"
    assert answer.json()["jwks_uri"] == "http://localhost:8000/.well-known/jwks.json"


async def test_every_service_has_credentials_of_its_own(house: House) -> None:
    others = [service for service in Service if service is not Service.AUTH]
    forms = [
        {"grant_type": "client_credentials", "client_id": name, "client_secret": SECRETS[f"{name.prefix.lower()}_client_secret"]}
        for name in others
    ]
    answers = await asyncio.gather(*(house.grant(**form) for form in forms))
    assert [answer.status_code for answer in answers] == [200] * 7
    swapped = forms[0] | {"client_secret": forms[1]["client_secret"]}
    assert await refused(house, **swapped) == (401, {"error": "invalid_client"})
