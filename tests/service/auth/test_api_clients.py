"""API clients: registered by admins, with access tokens by client credentials that name their scopes."""

from __future__ import annotations

import logging
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from jose import jwt

from auth_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.events import SessionEnded
from shared.contracts.identity import Scope, Service
from shared.contracts.values import format_instant
from shared.kit.sql import Database
from tests.service.auth.running_auth import FIRST_ADMIN, RunningAuth, bearer, forwarded_for

CLIENT = {"name": "Hospital system", "scopes": ["webhooks:manage", "appointments:read"]}


class AdminOfClients:
    """An admin who registers API clients, and the tokens that these get."""

    def __init__(self, auth: RunningAuth, token: str) -> None:
        self.auth, self.token = auth, token

    async def call(self, method: str, path: str = "", body: Any = None, **headers: str) -> httpx.Response:
        return await self.auth.http.request(method, f"/auth/clients{path}", json=body, headers=bearer(self.token) | headers)

    async def register(self, **changes: Any) -> dict[str, Any]:
        response = await self.call("POST", body=CLIENT | changes)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def request_token(self, client: dict[str, Any], **changes: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]} | changes
        return await self.auth.http.post("/auth/token", data=form, headers=forwarded_for("192.0.2.7"))


@pytest.fixture
async def admin(auth: RunningAuth) -> AdminOfClients:
    signed_in = await auth.sign_in(FIRST_ADMIN["email"], FIRST_ADMIN["password"])
    return AdminOfClients(auth, signed_in["access_token"])


async def test_the_secret_is_shown_once_and_the_client_is_listed_without_it(admin: AdminOfClients) -> None:
    response = await admin.call("POST", body=CLIENT)
    client = response.json()
    assert (response.status_code, response.headers["location"]) == (201, f"/auth/clients/{client['id']}")
    assert response.headers["cache-control"] == "no-store"
    secret = client.pop("secret")
    assert len(secret) >= 43
    assert client["scopes"] == sorted(CLIENT["scopes"])
    assert (await admin.call("GET", f"/{client['id']}")).json() == client
    listed = (await admin.call("GET")).json()
    assert listed == {"items": [client], "next": None}


async def test_pages_show_every_client_once(admin: AdminOfClients) -> None:
    registered = [(await admin.register(name=f"Client {number}"))["id"] for number in range(5)]
    seen, query = list[str](), "?limit=2"
    while query:
        page = (await admin.call("GET", query)).json()
        seen += [client["id"] for client in page["items"]]
        query = f"?limit=2&after={page['next']}" if page["next"] else ""
    assert sorted(seen) == sorted(registered)


async def test_a_client_gets_a_token_with_its_scopes_and_no_refresh_token(admin: AdminOfClients) -> None:
    client = await admin.register()
    response = await admin.request_token(client)
    token = response.json()
    assert (response.status_code, token.keys()) == (200, {"access_token", "token_type", "expires_in", "scope"})
    assert (token["scope"], token["expires_in"]) == ("appointments:read webhooks:manage", 600)
    claims = jwt.get_unverified_claims(token["access_token"])
    assert (claims["sub"], claims["client_id"], claims["sid"], claims["role"]) == (*[client["id"]] * 3, "client")
    assert claims["scope"] == token["scope"]


async def test_a_client_may_send_its_secret_by_http_basic(admin: AdminOfClients) -> None:
    client = await admin.register()
    credentials = httpx.BasicAuth(client["id"], client["secret"])
    response = await admin.auth.http.post("/auth/token", data={"grant_type": "client_credentials"}, auth=credentials)
    assert response.json()["scope"] == "appointments:read webhooks:manage"


async def test_a_client_may_ask_for_some_of_its_scopes_and_for_no_other(admin: AdminOfClients) -> None:
    client = await admin.register()
    narrowed = await admin.request_token(client, scope="webhooks:manage")
    assert narrowed.json()["scope"] == jwt.get_unverified_claims(narrowed.json()["access_token"])["scope"] == "webhooks:manage"
    for scope in ("appointments:write", "webhooks:manage messages:read", "everything"):
        refused = await admin.request_token(client, scope=scope)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_scope"})


async def test_an_expired_client_gets_no_token_and_its_last_one_is_shorter(admin: AdminOfClients) -> None:
    client = await admin.register(expires_at=format_instant(admin.auth.clock() + timedelta(minutes=14)))
    admin.auth.clock.advance(timedelta(minutes=10))
    assert (await admin.request_token(client)).json()["expires_in"] == 240
    admin.auth.clock.advance(timedelta(minutes=4))
    refused = await admin.request_token(client)
    assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})


async def test_a_client_that_would_have_expired_is_refused(admin: AdminOfClients) -> None:
    refused = await admin.call("POST", body=CLIENT | {"expires_at": format_instant(admin.auth.clock())})
    assert (refused.status_code, refused.json()["code"]) == (422, "expires_in_the_past")
    assert refused.json()["errors"][0]["pointer"] == "/expires_at"


@pytest.mark.parametrize("changes", [{"scopes": []}, {"scopes": ["everything"]}, {"name": ""}, {"name": "a\nb"}, {"role": "admin"}])
async def test_wrong_values_are_refused(admin: AdminOfClients, changes: dict[str, Any]) -> None:
    assert (await admin.call("POST", body=CLIENT | changes)).status_code == 422


async def test_a_deleted_client_gets_no_token_and_the_tokens_that_it_has_are_refused_everywhere(admin: AdminOfClients) -> None:
    client = await admin.register()
    token = (await admin.request_token(client)).json()["access_token"]
    assert (await admin.auth.get_me(token)).status_code == 403
    assert (await admin.call("DELETE", f"/{client['id']}")).status_code == 204
    assert (await admin.auth.get_me(token)).status_code == 401
    assert (await admin.request_token(client)).status_code == 401
    (ended,) = await admin.auth.list_events(SessionEnded)
    assert str(ended.session_id) == client["id"]
    assert ended.expires_at >= admin.auth.clock() + timedelta(minutes=10)
    listed = await admin.auth.call_as(Service.PATIENT, "GET", "/internal/ended-sessions")
    assert [session["session_id"] for session in listed.json()["items"]] == [client["id"]]
    for method in ("GET", "DELETE"):
        missing = await admin.call(method, f"/{client['id']}")
        assert (missing.status_code, missing.json()["code"]) == (404, "no_such_api_client")


async def test_wrong_secrets_from_one_address_are_delayed_and_do_not_delay_the_client_elsewhere(admin: AdminOfClients) -> None:
    client = await admin.register()
    wrong = client | {"secret": "wrong"}
    statuses = [(await admin.request_token(wrong)).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert (await admin.request_token(client)).status_code == 429
    form = {"grant_type": "client_credentials", "client_id": client["id"], "client_secret": client["secret"]}
    assert (await admin.auth.http.post("/auth/token", data=form, headers=forwarded_for("192.0.2.8"))).status_code == 200


async def test_a_repeated_registration_gets_the_first_answer_again(admin: AdminOfClients) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = [await admin.call("POST", body=CLIENT, **key) for _ in range(2)]
    assert (again.status_code, again.json(), again.headers["location"]) == (201, first.json(), first.headers["location"])
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert again.headers["cache-control"] == "no-store"
    assert (await admin.request_token(first.json())).status_code == 200
    assert len((await admin.call("GET")).json()["items"]) == 1


async def test_another_registration_under_the_key_is_refused_and_the_first_can_still_be_repeated(admin: AdminOfClients) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await admin.call("POST", body=CLIENT, **key)
    for changes in ({"name": "Other"}, {"scopes": ["messages:read"]}, {"expires_at": "2999-01-01T00:00:00Z"}):
        other = await admin.call("POST", body=CLIENT | changes, **key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    again = await admin.call("POST", body=CLIENT, **key)
    assert (again.status_code, again.json()) == (201, first.json())


async def test_registrations_without_a_key_or_with_different_keys_have_different_secrets(admin: AdminOfClients) -> None:
    keys: list[dict[str, str]] = [{}, {}, {"Idempotency-Key": "a"}, {"Idempotency-Key": "b"}]
    registered = [(await admin.call("POST", body=CLIENT, **key)).json() for key in keys]
    assert len({client["id"] for client in registered}) == len({client["secret"] for client in registered}) == 4


async def test_a_repeated_registration_does_not_bring_back_a_deleted_client(admin: AdminOfClients) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await admin.call("POST", body=CLIENT, **key)
    client = first.json()
    assert (await admin.call("DELETE", f"/{client['id']}")).status_code == 204
    again = await admin.call("POST", body=CLIENT, **key)
    assert (again.status_code, again.json(), again.headers["idempotent-replayed"]) == (201, client, "true")
    other = await admin.call("POST", body=CLIENT | {"name": "Other"}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await admin.request_token(client)).status_code == 401
    assert (await admin.call("GET")).json()["items"] == []
    for method in ("GET", "DELETE"):
        missing = await admin.call(method, f"/{client['id']}")
        assert (missing.status_code, missing.json()["code"]) == (404, "no_such_api_client")
    await delete_idempotency_keys(admin)
    later = (await admin.call("POST", body=CLIENT, **key)).json()
    assert (later["id"] != client["id"], later["secret"] != client["secret"]) == (True, True), "after the retention it is another one"


async def test_a_repeated_registration_of_an_expired_client_gets_the_first_answer(admin: AdminOfClients) -> None:
    body = CLIENT | {"expires_at": format_instant(admin.auth.clock() + timedelta(minutes=5))}
    first = await admin.call("POST", body=body, **{"Idempotency-Key": "k1"})
    admin.auth.clock.advance(timedelta(minutes=6))
    again = await admin.call("POST", body=body, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()) == (201, first.json())


async def test_a_refused_registration_leaves_no_client(admin: AdminOfClients) -> None:
    key, late = {"Idempotency-Key": "k1"}, format_instant(admin.auth.clock())
    for _ in range(2):
        refused = await admin.call("POST", body=CLIENT | {"expires_at": late}, **key)
        assert (refused.status_code, refused.json()["code"]) == (422, "expires_in_the_past")
    assert (await admin.call("GET")).json()["items"] == []


async def delete_idempotency_keys(admin: AdminOfClients) -> None:
    """Delete the keys as after their retention; the API clients stay."""
    database: Database = admin.auth.service.app.state.idempotency.database
    async with database.write() as connection:
        await connection.execute(INFRASTRUCTURE.idempotency_keys.delete())


async def test_only_admins_manage_clients(admin: AdminOfClients, auth: RunningAuth) -> None:
    client = await admin.register(scopes=list(Scope))
    tokens = [(await auth.register())["access_token"], (await admin.request_token(client)).json()["access_token"]]
    for token in tokens:
        other = AdminOfClients(auth, token)
        for method, path, body in (
            ("POST", "", CLIENT),
            ("GET", "", None),
            ("GET", f"/{client['id']}", None),
            ("DELETE", f"/{uuid4()}", None),
        ):
            assert (await other.call(method, path, body)).status_code == 403


async def test_the_secret_is_neither_stored_nor_logged(
    admin: AdminOfClients, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await admin.register()
    await admin.request_token(client)
    await admin.request_token(client, scope="everything")
    await admin.call("DELETE", f"/{client['id']}")
    with sqlite3.connect(tmp_path / "auth_svc.db") as database:
        stored = "\n".join(database.iterdump())
    written = capfd.readouterr()
    assert client["secret"] not in stored + caplog.text + written.out + written.err


async def test_the_configuration_names_the_scopes(auth: RunningAuth) -> None:
    document = (await auth.http.get("/.well-known/openid-configuration")).json()
    assert document["scopes_supported"] == [scope.value for scope in Scope]
