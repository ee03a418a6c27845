"""What the logs of accesses and the audit trail have in common."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypeAliasType

AuditOutcome = TypeAliasType("AuditOutcome", Literal["done", "refused"])
"""Whether something was done or refused."""
