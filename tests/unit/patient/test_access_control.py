"""What the access log says about an access by break-glass that ends while a request is under way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from patient_svc.domain.access import Access, AccessAction
from patient_svc.domain.relations import AccessPolicy, BreakGlassRequired, Relations
from patient_svc.usecases.access_control import AccessControl
from shared.contracts.clinic import ClinicProfile
from shared.contracts.identity import Caller, Role
from tests.running import NOON

ADMIN = Caller(UUID(int=1), Role.ADMIN)
END = NOON + timedelta(minutes=60)


@dataclass
class FakeRecords:
    """A patient whose medical history an admin has opened until END, and the lines of the log. It is store and transaction."""

    lines: list[Access] = field(default_factory=list)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[FakeRecords]:
        yield self

    async def get_relations(self, *_: Any) -> Relations:
        return Relations(Role.ADMIN, is_known=True, break_glass_until=END)

    async def record_access(self, access: Access) -> None:
        self.lines.append(access)


@dataclass
class ClockThatPassesTheEnd:
    """A clock that is a second before END, and at END after it was read `times` times."""

    times: int

    def __call__(self) -> datetime:
        self.times -= 1
        return END if self.times < 0 else END - timedelta(seconds=1)


@pytest.mark.parametrize("times", range(6))
async def test_the_log_never_says_that_a_history_was_read_after_the_access_had_ended(times: int) -> None:
    records = FakeRecords()
    treatments: Any = None  # only asked about doctors
    store: Any = records
    control = AccessControl(store, treatments, ClockThatPassesTheEnd(times), AccessPolicy(24, 18, ClinicProfile))
    try:
        async with control.begin(ADMIN, UUID(int=2), AccessAction.HISTORY_READ):
            outcome = "done"
    except BreakGlassRequired:
        outcome = "refused"
    (line,) = records.lines
    assert line.outcome == outcome
    assert outcome == "refused" or line.at < END
