"""Access tokens: one strict reader of JWTs (RFC 9068, RFC 8725) over python-jose, with a cache until `exp`."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid5

from jose import jwk, jwt

from shared.contracts.identity import SERVICE_IDS, Caller, Role
from shared.contracts.refusals import Unauthenticated
from shared.kit.clock import Clock

LONGEST_TOKEN = 4096
LEEWAY_SECONDS = 5
REQUIRED = ("iss", "aud", "sub", "exp", "iat", "jti")
FetchKeys = Callable[[], Awaitable[list[dict[str, Any]]]]


class InvalidToken(Unauthenticated):
    """The access token is not valid."""

    code = "invalid_token"
    detail = "The access token is not valid."


class KeySet:
    """The issuer's public keys by `kid`. An unknown `kid` fetches them anew, at most every ten seconds."""

    def __init__(self, fetch: FetchKeys, clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")

    async def get(self, kid: str) -> Any:
        now = self._clock().timestamp()
        if kid not in self._keys and abs(now - self._fetched_at) > 10:
            self._keys = {key["kid"]: jwk.construct(key, "RS256") for key in await self._fetch()}
            self._fetched_at = now
        if kid not in self._keys:
            raise InvalidToken
        return self._keys[kid]


class Verifier:
    """Turns a bearer token into a Caller, or refuses."""

    def __init__(self, keys: KeySet, issuer: str, audience: str, clock: Clock) -> None:
        self._keys, self._issuer, self._audience, self._clock = keys, issuer, audience, clock
        self._known: dict[bytes, tuple[float, Caller]] = {}
        self._ended: dict[UUID, float] = {}

    async def verify(self, token: str) -> Caller:
        """The caller behind `token`; InvalidToken on any doubt, Unavailable when the keys cannot be fetched."""
        now = self._clock().timestamp()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        expires_at, caller = self._known.get(digest) or await self._read(token, now)
        if expires_at + LEEWAY_SECONDS <= now or caller.session_id in self._ended:
            self._known.pop(digest, None)
            raise InvalidToken
        self._remember(digest, expires_at, caller, now)
        return caller

    def revoke_session(self, session_id: UUID, expires_at: float) -> None:
        """Tokens of this session are refused from now on."""
        now = self._clock().timestamp()
        self._ended = {sid: at for sid, at in self._ended.items() if at > now - 600} | {session_id: expires_at}

    def _remember(self, digest: bytes, expires_at: float, caller: Caller, now: float) -> None:
        if len(self._known) >= 20_000:
            self._known = {key: kept for key, kept in self._known.items() if kept[0] > now}
            while len(self._known) >= 20_000:
                self._known.pop(next(iter(self._known)))
        self._known[digest] = expires_at, caller

    async def _read(self, token: str, now: float) -> tuple[float, Caller]:
        key = await self._keys.get(read_key_id(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
            )
            self._check(claims, now)
            return float(claims["exp"]), caller_from_claims(claims)
        except InvalidToken:
            raise
        except Exception:
            raise InvalidToken from None

    def _check(self, claims: Mapping[str, Any], now: float) -> None:
        audience = claims["aud"] if isinstance(claims.get("aud"), list) else [claims.get("aud")]
        sound = all(claims.get(name) for name in REQUIRED) and claims["iss"] == self._issuer and self._audience in audience
        if not sound or claims["iat"] > now + LEEWAY_SECONDS or claims.get("nbf", 0) > now + LEEWAY_SECONDS:
            raise InvalidToken


def read_key_id(token: str) -> str:
    """The key id of a token whose header is what ours look like; the depth of hostile JSON is bounded by its length."""
    if len(token) > LONGEST_TOKEN or token.count(".") != 2:
        raise InvalidToken
    try:
        encoded = token.split(".", 1)[0]
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        if len(raw) > 512 or raw.count(b"{") != 1 or b"[" in raw:
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
    role = Role(claims["role"])
    scope = frozenset(str(claims.get("scope", "")).split())
    if role is Role.SERVICE:
        return Caller(uuid5(SERVICE_IDS, claims["sub"]), role, client=claims["sub"], scope=scope)
    return Caller(UUID(claims["sub"]), role, UUID(claims["sid"]), scope=scope)
