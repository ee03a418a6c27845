"""The audit trail in memory, for tests of use cases that append to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from admin_svc.domain.audit import AuditLine
from admin_svc.domain.audit_chain import ChainEnd, DayHead


@dataclass
class MemoryChain:
    """Implements ChainTransaction."""

    chain_end: ChainEnd = field(default_factory=ChainEnd)
    lines: list[AuditLine] = field(default_factory=list)

    async def lock_chain_end(self) -> ChainEnd:
        return self.chain_end

    async def save_chain_end(self, end: ChainEnd) -> None:
        self.chain_end = end

    async def has_line(self, line_id: UUID) -> bool:
        return any(line.id == line_id for line in self.lines)

    async def append_line(self, line: AuditLine) -> None:
        self.lines.append(line)

    async def insert_head(self, head: DayHead) -> None: ...
