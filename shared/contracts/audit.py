"""What the logs of accesses and the audit trail have in common."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypeAliasType

from shared.contracts.values import ReadModel, RequestModel

AuditOutcome = TypeAliasType("AuditOutcome", Literal["done", "refused"])
"""Whether something was done or refused."""
StateName = Annotated[str, StringConstraints(max_length=32, pattern=r"^[a-z][a-z_]*$")]
StateValue = Annotated[str, StringConstraints(max_length=100)]
AuditState = TypeAliasType("AuditState", Annotated[dict[StateName, StateValue | None], Field(max_length=12)])
"""A state before or after a change: codes, ids, numbers and instants by name. Free text stays with its owner."""
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in hexadecimal digits."""

HEAD_TYPE = "audit-head+jwt"
"""The `typ` of the signature of a head, which no access token has."""


class AuditHeadBody(RequestModel):
    """What auth-service signs of a recording day (UTC) of the audit trail, which is the `day` in the path.

    `lines` is how many lines the day has, `hash` that of the last one, and `previous_hash` that of the last line before the day.
    """

    lines: int = Field(strict=True, ge=1, le=10**12)
    hash: Digest
    previous_hash: Digest


class AuditHeadSignature(ReadModel):
    """A signed head: a JSON Web Signature (RFC 7515) of type `audit-head+jwt` by the key `key_id` of `/.well-known/audit-keys.json`."""

    day: date
    key_id: str
    signature: str
