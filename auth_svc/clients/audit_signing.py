"""Signing of heads of the audit trail: JSON Web Signatures (RFC 7515, RS256) with a key that signs nothing else."""

from __future__ import annotations

from datetime import date, datetime

from jose import jwk, jws

from shared.contracts.audit import HEAD_TYPE, AuditHeadBody


class JwsHeadKey:
    """Implements the port AuditHeadKey. Its type differs from that of access tokens, and its key is not among theirs."""

    def __init__(self, key_id: str, private_key_pem: str, issuer: str) -> None:
        self.key_id = key_id
        self._key = jwk.construct(private_key_pem, "RS256")
        self._issuer = issuer
        self.public_key: dict[str, str] = {**self._key.public_key().to_dict(), "kid": key_id, "use": "sig", "alg": "RS256"}

    def sign_head(self, day: date, head: AuditHeadBody, *, now: datetime) -> str:
        claims = {"iss": self._issuer, "day": str(day), **head.model_dump(), "iat": int(now.timestamp())}
        return str(jws.sign(claims, self._key, headers={"kid": self.key_id, "typ": HEAD_TYPE}, algorithm="RS256"))
