"""Tokens that our issuer did not make: each is refused with InvalidToken, and none causes a crash."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from auth_svc.clients.token_signing import JwtSigner
from auth_svc.repository.signing_keys import generate_private_key_pem
from shared.contracts.identity import Role
from shared.kit.clock import MovableClock
from shared.kit.signing_keys import KeySet
from shared.kit.tokens import InvalidToken, Verifier
from tests import tokens
from tests.running import NOON
from tests.tokens import ISSUER, jwks, token

NOW = int(NOON.timestamp())


def verifier(keys: list[dict[str, Any]] | None = None, clock: MovableClock | None = None) -> Verifier:
    clock = clock or MovableClock(NOON, running=False)

    async def fetch() -> list[dict[str, Any]]:
        return keys or jwks()["keys"]

    return Verifier(KeySet(fetch, clock), ISSUER, "careslot", clock)


def encode_part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def with_header(header: Any, signature: str = "AAAA") -> str:
    """Return a token with valid claims behind another header."""
    return f"{encode_part(header)}.{token(Role.ADMIN).split('.')[1]}.{signature}"


def signed_by_the_public_key() -> str:
    """Return a token whose signature uses the public key as a shared secret (RFC 8725 section 2.1)."""
    signed_part = f"{encode_part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'test'})}.{token(Role.ADMIN).split('.')[1]}"
    return f"{signed_part}.{encode_part(hmac.digest(json.dumps(jwks()['keys'][0]).encode(), signed_part.encode(), hashlib.sha256))}"


VALID_HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": "test"}
HOSTILE_TOKENS = {
    "empty": "",
    "dots": "..",
    "text": "not a token",
    "one part": encode_part(VALID_HEADER),
    "five parts": ".".join([encode_part(VALID_HEADER)] * 5),
    "letters beyond ASCII": "é.é.é",
    "a lone surrogate": "\ud800.a.b",
    "longer than 4 KiB": with_header(VALID_HEADER, "A" * 4096),
    "unsigned": with_header(VALID_HEADER, ""),
    "an invalid signature": with_header(VALID_HEADER),
    "alg none": with_header(VALID_HEADER | {"alg": "none"}, ""),
    "alg None": with_header(VALID_HEADER | {"alg": "None"}, ""),
    "alg of another kind": with_header(VALID_HEADER | {"alg": ["RS256"]}),
    "alg HS256 by the public key": signed_by_the_public_key(),
    "alg RS512": with_header(VALID_HEADER | {"alg": "RS512"}),
    "no alg": with_header({"typ": "at+jwt", "kid": "test"}),
    "no kid": with_header({"alg": "RS256", "typ": "at+jwt"}),
    "a number as kid": with_header(VALID_HEADER | {"kid": 1}),
    "an unknown kid": token(Role.ADMIN, headers={"kid": "other"}),
    "a path as kid": token(Role.ADMIN, headers={"kid": "../../etc/passwd"}),
    "an id token": token(Role.ADMIN, headers={"typ": "JWT"}),
    "crit": token(Role.ADMIN, headers={"crit": ["exp"]}),
    "a key of its own": token(Role.ADMIN, headers={"jwk": jwks()["keys"][0]}),
    "an address of keys": token(Role.ADMIN, headers={"typ": "JWT", "jku": "https://keys.example"}),
    "a header that is a string": with_header('"{"'),
    "a header that is a list": with_header([VALID_HEADER]),
    "a header that is a number": with_header(7),
    "a nested header": with_header(b'{"a":' * 200 + b"1" + b"}" * 200),
    "a deep list as header": with_header(b"[" * 3000),
    "a header that is no JSON": with_header(b"{"),
    "a header that is no text": with_header(b"{\xff\xfe}"),
    "another issuer": token(Role.ADMIN, iss="someone"),
    "another audience": token(Role.ADMIN, aud="someone"),
    "other audiences": token(Role.ADMIN, aud=["someone", "else"]),
    "expired": token(Role.ADMIN, exp=NOW - 6),
    "not yet": token(Role.ADMIN, nbf=NOW + 60),
    "made tomorrow": token(Role.ADMIN, iat=NOW + 86_400),
    "an expiry that is none": token(Role.ADMIN, exp="never"),
    "a time that is none": token(Role.ADMIN, iat="now"),
    "no role": token(""),
    "an unknown role": token("king"),
    "a subject that is no id": token(Role.ADMIN, "me"),
    "a session that is no id": token(Role.ADMIN, sid="mine"),
    **{f"no {claim}": token(Role.ADMIN, **{claim: None}) for claim in ("iss", "aud", "sub", "sid", "iat", "exp", "jti")},
}


@pytest.mark.parametrize("name", HOSTILE_TOKENS)
async def test_a_hostile_token_is_refused(name: str) -> None:
    with pytest.raises(InvalidToken):
        await verifier().verify(HOSTILE_TOKENS[name])


async def test_a_valid_token_names_its_caller() -> None:
    account, session = uuid4(), uuid4()
    caller = await verifier().verify(token(Role.DOCTOR, account, sid=str(session)))
    assert (caller.id, caller.role, caller.session_id) == (account, Role.DOCTOR, session)


async def test_a_token_with_changed_claims_is_refused() -> None:
    head, body, signature = token(Role.PATIENT).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    with pytest.raises(InvalidToken):
        await verifier().verify(f"{head}.{encode_part(claims | {'role': 'admin'})}.{signature}")


async def test_a_cached_token_is_refused_when_it_expires_or_its_session_ends() -> None:
    clock, session = MovableClock(NOON, running=False), uuid4()
    check = verifier(clock=clock)
    expiring, of_session = token(Role.PATIENT, exp=NOW + 60), token(Role.PATIENT, sid=str(session))
    await check.verify(expiring)
    await check.verify(of_session)
    check.revoke_session(session, NOW + 600)
    with pytest.raises(InvalidToken):
        await check.verify(of_session)
    clock.advance(timedelta(seconds=65))
    with pytest.raises(InvalidToken):
        await check.verify(expiring)


async def test_the_verifier_accepts_what_the_signer_of_auth_service_signs() -> None:
    signer = JwtSigner("k1", generate_private_key_pem().decode(), ISSUER, "careslot")
    check, account, session = verifier([signer.public_key]), UUID(int=1), UUID(int=2)
    signed = signer.sign_access_token(account, Role.ADMIN, session, signed_in_at=NOON, now=NOON, lifetime=timedelta(minutes=10))
    caller = await check.verify(signed)
    assert (caller.id, caller.role, caller.session_id) == (account, Role.ADMIN, session)
    service_token = signer.sign_service_token("admin-service", now=NOON, lifetime=timedelta(minutes=10))
    assert (await check.verify(service_token)).client == "admin-service"
    head, body, _ = (base64.urlsafe_b64decode(piece + "==") for piece in signed.split("."))
    assert json.loads(head) == {"alg": "RS256", "typ": "at+jwt", "kid": "k1"}
    assert set(json.loads(body)) == {"iss", "aud", "sub", "sid", "role", "scope", "auth_time", "iat", "exp", "jti"}
    assert json.loads(body)["exp"] - json.loads(body)["iat"] == 600
    with pytest.raises(InvalidToken):
        await verifier([signer.public_key]).verify(tokens.token(Role.ADMIN, headers={"kid": "k1"}))
