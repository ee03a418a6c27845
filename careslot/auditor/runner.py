"""Running the checks, and examining again what seemed wrong.

The stores are read one after the other while the product runs. The checks read in an order in which no legitimate state looks like a fault.
In addition each finding is examined several times: it is a fault only if it is there each time, and its evidence never changes. Work under
way is a fault only after it has waited for longer than STUCK_AFTER.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from careslot.auditor.findings import MAX_FINDINGS, Check, Finding, Key
from careslot.auditor.stores import Stores

STUCK_AFTER = timedelta(minutes=20)
"""The bus retries an event for twelve minutes, and the jobs that complete interrupted work run every five minutes."""
PAUSE_SHARES = (1 / 30, 1 / 10, 1 / 5, 2 / 3)
"""The pause before each further look, as a share of the patience."""
KEYS_AT_ONCE = 100
"""How many keys are examined together at a further look."""
MAX_ROUNDS = 3
"""How often the looks are repeated for findings whose evidence changes."""


@dataclass(slots=True)
class AuditResult:
    """What the auditor found. `checked` counts the keys that each check has examined, `waiting` is work that is under way.

    `complete` is False if there were more than MAX_FINDINGS findings.
    """

    checked: dict[str, int] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    waiting: list[Finding] = field(default_factory=list)
    complete: bool = True


class AuditProgress(Protocol):
    """Shows how far the auditor is."""

    def begin(self, check: str) -> None:
        """A check begins."""

    def advance(self, count: int) -> None:
        """The running check has examined some more keys."""

    def look_again(self, count: int) -> None:
        """Some findings are examined again."""


@dataclass(slots=True)
class _Suspect:
    """A finding that may be a fault. `looks` counts the looks in a row with the same evidence."""

    check: Check
    finding: Finding
    looks: int = 1


Suspects = dict[tuple[str, str, Key], _Suspect]


@dataclass(frozen=True, slots=True)
class Auditor:
    """Examines everything once, and what seems wrong several times over `patience_seconds`."""

    stores: Stores
    checks: Sequence[Check]
    progress: AuditProgress
    patience_seconds: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> AuditResult:
        """Return the faults and the work under way, in the order of the checks."""
        result, suspects = AuditResult(), Suspects()
        for check in self.checks:
            result.checked[check.name] = await self._run_check(check, suspects)
        result.complete = len(suspects) < MAX_FINDINGS
        suspects = await self._confirm(suspects)
        for suspect in suspects.values():
            is_fault = self._is_fault(suspect.finding) and suspect.looks > len(PAUSE_SHARES)
            (result.faults if is_fault else result.waiting).append(suspect.finding)
        return result

    async def _run_check(self, check: Check, suspects: Suspects) -> int:
        self.progress.begin(check.name)
        count = 0
        async for keys in check.pages(self.stores):
            for finding in await check.examine(self.stores, keys):
                suspects[check.name, *finding.identity] = _Suspect(check, finding)
            count += len(keys)
            self.progress.advance(len(keys))
            if len(suspects) >= MAX_FINDINGS:
                break
        return count

    async def _confirm(self, suspects: Suspects) -> Suspects:
        """Look again until all suspects that are left had the same evidence at every look of a round, or after MAX_ROUNDS."""
        for _ in range(MAX_ROUNDS):
            for share in PAUSE_SHARES:
                if not suspects:
                    return suspects
                self.progress.look_again(len(suspects))
                await self.sleep(self.patience_seconds * share)
                suspects = await self._look_again(suspects)
            if all(suspect.looks > len(PAUSE_SHARES) for suspect in suspects.values()):
                break
        return suspects

    async def _look_again(self, suspects: Suspects) -> Suspects:
        """Return the suspects that are still there."""
        remaining = Suspects()
        for check in dict.fromkeys(suspect.check for suspect in suspects.values()):
            findings = [suspect.finding for suspect in suspects.values() if suspect.check is check]
            keys = list(dict.fromkeys(finding.examined_key or finding.key for finding in findings))
            for first in range(0, len(keys), KEYS_AT_ONCE):
                for finding in await check.examine(self.stores, keys[first : first + KEYS_AT_ONCE]):
                    identity = (check.name, *finding.identity)
                    if previous := suspects.get(identity):
                        is_same = previous.finding.evidence == finding.evidence
                        remaining[identity] = _Suspect(check, finding, previous.looks + 1 if is_same else 1)
        return remaining

    def _is_fault(self, finding: Finding) -> bool:
        return finding.since is None or self.stores.now() - finding.since > STUCK_AFTER
