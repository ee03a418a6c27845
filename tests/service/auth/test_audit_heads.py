"""Signing the heads of the audit trail: with a key that signs nothing else, and one head of each day."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from admin_svc.clients import head_verifier
from admin_svc.domain.audit_chain import DayHead
from shared.kit.signing_keys import KeySet
from shared.kit.tokens import InvalidToken, Verifier
from tests.running import NOON
from tests.service.auth.running_auth import RunningAuth, run_auth_service

HEAD = {"lines": 3, "hash": "a" * 64, "previous_hash": "0" * 64}
PATH = "/internal/audit-heads/2026-03-01"


async def sign(auth: RunningAuth, **changes: Any) -> httpx.Response:
    return await auth.call_as_admin("PUT", PATH, HEAD | changes)


async def verification_keys(auth: RunningAuth) -> list[dict[str, Any]]:
    response = await auth.http.get("/.well-known/audit-keys.json")
    assert response.headers["cache-control"] == "public, max-age=300"
    return list(response.json()["keys"])


async def test_the_signature_of_a_head_is_verified_with_the_published_key(auth: RunningAuth) -> None:
    signed = (await sign(auth)).json()
    is_signed = head_verifier(await verification_keys(auth))
    head = DayHead(date(2026, 3, 1), 3, "a" * 64, "0" * 64, NOON, signed["key_id"], signed["signature"], NOON)
    assert is_signed(head)
    for other in ({"lines": 4}, {"hash": "b" * 64}, {"previous_hash": "b" * 64}, {"day": date(2026, 3, 2)}, {"signature": None}):
        assert not is_signed(replace(head, **other)), other
    header, payload, signature = signed["signature"].split(".")
    assert not is_signed(replace(head, signature=f"{header}.{payload}.{signature[:-8]}AAAAAAAA"))
    assert not head_verifier([])(head)


async def test_the_key_signs_nothing_else_and_verifies_no_access_token(auth: RunningAuth) -> None:
    token_keys = (await auth.http.get("/.well-known/jwks.json")).json()["keys"]
    audit_keys = await verification_keys(auth)
    assert not {key["kid"] for key in token_keys} & {key["kid"] for key in audit_keys}
    assert not {key["n"] for key in token_keys} & {key["n"] for key in audit_keys}
    signature = (await sign(auth)).json()["signature"]

    async def fetch_all() -> list[dict[str, Any]]:
        return [*token_keys, *audit_keys]

    verifier = Verifier(KeySet(fetch_all, lambda: NOON), "http://localhost:8000", "careslot", lambda: NOON)
    with pytest.raises(InvalidToken):
        await verifier.verify(signature)
    for path in ("/auth/me", PATH):
        response = await auth.http.get(path, headers={"Authorization": f"Bearer {signature}"})
        assert response.status_code in (401, 405), response.text


async def test_repeating_the_call_returns_the_first_signature_and_another_head_of_the_day_is_refused(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        responses = await asyncio.gather(*(sign(auth) for _ in range(5)))
        assert {response.status_code for response in responses} == {200}
        assert len({response.json()["signature"] for response in responses}) == 1
        for changes in ({"lines": 2}, {"hash": "b" * 64}, {"previous_hash": "b" * 64}):
            refused = await sign(auth, **changes)
            assert (refused.status_code, refused.json()["code"]) == (409, "audit_head_differs")


@pytest.mark.parametrize("changes", [{"lines": 0}, {"hash": "xyz"}, {"hash": "A" * 64}, {"extra": 1}], ids=str)
async def test_what_is_no_head_is_not_signed(auth: RunningAuth, changes: dict[str, Any]) -> None:
    assert (await sign(auth, **changes)).status_code == 422
