"""Strict verification of access tokens (JWTs, RFC 9068 and RFC 8725) with python-jose, and a cache of verified tokens."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from cachetools import TLRUCache
from jose import jwt

from shared.contracts.identity import SERVICE_ID_NAMESPACE, Caller, Role
from shared.contracts.refusals import Unauthenticated
from shared.kit.clock import Clock
from shared.kit.signing_keys import KeySet

MAX_TOKEN_LENGTH = 4096
MAX_HEADER_BYTES = 512
LEEWAY_SECONDS = 5
MAX_VERIFIED_TOKENS = 20_000
MAX_ENDED_SESSIONS = 100_000
ENDED_SESSION_MARGIN_SECONDS = 600  # the clocks of two instances differ, and the clock of a development server can be moved
REQUIRED_CLAIMS = ("iss", "aud", "sub", "exp", "iat", "jti")
CHECK_NO_CLAIMS = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}  # Verifier checks them itself


class InvalidToken(Unauthenticated):
    """Raised when the access token is malformed, expired, not ours, or of a session that has ended."""

    code = "invalid_token"
    detail = "The access token is not valid."
    remedy = "Get a new access token with your refresh token. If that is refused, sign in again."


class Verifier:
    """Verifies bearer tokens. A verified token is cached until it expires; it is refused once its session has ended."""

    def __init__(self, keys: KeySet, issuer: str, audience: str, clock: Clock, *, max_verified_tokens: int = MAX_VERIFIED_TOKENS) -> None:
        self._keys, self._issuer, self._audience, self._clock = keys, issuer, audience, clock

        def now() -> float:
            return clock().timestamp()

        # An entry is removed at the Unix time that the function returns. The keys are digests, because tokens are secret and long.
        self._verified = TLRUCache[bytes, tuple[Caller, float]](max_verified_tokens, lambda _, verified, __: verified[1], now)
        self._ended_sessions = TLRUCache[UUID | None, float](MAX_ENDED_SESSIONS, lambda _, refuse_until, __: refuse_until, now)

    async def verify(self, token: str) -> Caller:
        """Return the caller that the token names. Raises InvalidToken unless every check passes, Unavailable without the issuer's keys."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        try:
            caller, _ = self._verified[digest]
        except KeyError:
            verified = self._verified[digest] = await self._read(token)
            caller = verified[0]
        if caller.session_id in self._ended_sessions:
            raise InvalidToken
        return caller

    def revoke_session(self, session_id: UUID, expires_at: float) -> None:
        """Refuse the session's tokens from now on. `expires_at` is the Unix time at which the last of them expires."""
        refuse_until = expires_at + ENDED_SESSION_MARGIN_SECONDS
        if self._ended_sessions.get(session_id, 0.0) < refuse_until:
            self._ended_sessions[session_id] = refuse_until

    async def _read(self, token: str) -> tuple[Caller, float]:
        """Return the caller and the Unix time until which the token is accepted."""
        key = await self._keys.find(read_key_id(token))
        if key is None:
            raise InvalidToken
        try:
            claims = jwt.decode(token, key, algorithms=["RS256"], options=CHECK_NO_CLAIMS)
            return caller_from_claims(claims), self._check_claims(claims)
        except InvalidToken:
            raise
        except Exception:  # the content of a claim can make any of the conversions fail
            raise InvalidToken from None

    def _check_claims(self, claims: Mapping[str, Any]) -> float:
        """Return the Unix time until which the token is accepted."""
        now = self._clock().timestamp()
        valid_until = float(claims["exp"]) + LEEWAY_SECONDS
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if not all(claims.get(name) for name in REQUIRED_CLAIMS) or claims["iss"] != self._issuer or self._audience not in audiences:
            raise InvalidToken
        if claims["iat"] > now + LEEWAY_SECONDS or claims.get("nbf", 0) > now + LEEWAY_SECONDS or not now < valid_until:
            raise InvalidToken
        return valid_until


def read_key_id(token: str) -> str:
    """Return the key id in the token's header. Raises InvalidToken unless the header has the form that auth-service writes.

    Anyone can send a header, so its size and nesting are limited before it is parsed.
    """
    if len(token) > MAX_TOKEN_LENGTH or token.count(".") != 2:
        raise InvalidToken
    try:
        encoded = token.split(".", 1)[0]
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        if len(raw) > MAX_HEADER_BYTES or raw.count(b"{") != 1 or b"[" in raw:
            raise InvalidToken
        header = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidToken from None
    if not isinstance(header, dict):
        raise InvalidToken
    if header.get("alg") != "RS256" or header.get("typ") != "at+jwt" or "crit" in header or not isinstance(header.get("kid"), str):
        raise InvalidToken
    return str(header["kid"])


def caller_from_claims(claims: Mapping[str, Any]) -> Caller:
    """Return the caller that verified claims describe. The caller id of a service is derived from its name."""
    role = Role(claims["role"])
    scope = frozenset(str(claims.get("scope", "")).split())
    if role is Role.SERVICE:
        return Caller(uuid5(SERVICE_ID_NAMESPACE, claims["sub"]), role, client=claims["sub"], scope=scope)
    signed_in = claims.get("auth_time")
    signed_in_at = datetime.fromtimestamp(int(signed_in), UTC) if signed_in is not None else None
    return Caller(UUID(claims["sub"]), role, UUID(claims["sid"]), scope=scope, signed_in_at=signed_in_at)
