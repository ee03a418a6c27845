"""What a death at each point of an enrolment leaves, and that the job makes it whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from admin_svc.domain import NewUser, Wish
from admin_svc.ports import Listed
from admin_svc.usecases.enrolment import Enrolment
from shared.contracts.http import AccountSummary, CreateAccount
from shared.contracts.identity import Role
from shared.contracts.refusals import TooMany, Unavailable
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Death(BaseException):
    """The process ends here."""


@dataclass
class World:
    """Every step counts down to the death of the process; `paper` and `made` survive it."""

    steps_left: int = 1000
    paper: dict[UUID, tuple[Wish, datetime]] = field(default_factory=dict)
    made: dict[UUID, AccountSummary] = field(default_factory=dict)
    profiles: set[UUID] = field(default_factory=set)
    refusal: Exception | None = None

    def step(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise Death

    async def note(self, user: NewUser, at: datetime) -> None:
        self.step()
        self.paper.setdefault(user.id, (Wish(user, at), at))
        self.step()

    async def forget(self, user_id: UUID) -> None:
        self.step()
        self.paper.pop(user_id, None)
        self.step()

    async def take_up(self, before: datetime, now: datetime) -> list[Wish]:
        due = [wish for wish, tried_at in self.paper.values() if tried_at <= before]
        self.paper |= {wish.user.id: (wish, now) for wish in due}
        return due

    async def make(self, user_id: UUID, account: CreateAccount | Mapping[str, Any]) -> AccountSummary:
        self.step()
        if self.refusal:
            raise self.refusal
        asked = account.model_dump() if isinstance(account, CreateAccount) else {"role": "doctor", **account}
        status = "active" if asked.get("password") else "invited"
        card = AccountSummary.model_validate({**asked, "id": user_id, "status": status, "version": 1, "created_at": NOON})
        self.made.setdefault(user_id, card)
        self.profiles.add(user_id)
        self.step()
        return self.made[user_id]

    async def get(self, account_id: UUID) -> AccountSummary:
        self.step()
        return self.made[account_id]

    async def rename(self, doctor_id: UUID, full_name: str) -> None: ...

    async def listed(self, **filters: Any) -> Listed[AccountSummary]:
        return Listed(items=[])

    async def change(self, account_id: UUID, changes: Mapping[str, Any], expected: int | None = None) -> AccountSummary:
        return self.made[account_id]


@dataclass
class Doctors:
    world: World

    async def make(self, doctor_id: UUID, profile: Mapping[str, Any]) -> None:
        await self.world.make(doctor_id, profile)

    async def rename(self, doctor_id: UUID, full_name: str) -> None: ...


def enrolment(world: World, clock: MovableClock) -> Enrolment:
    return Enrolment(world, world, Doctors(world), clock)


def a_user(role: Role = Role.PATIENT) -> NewUser:
    return NewUser(new_id(), "a@clinic.test", role, "A")


def clock() -> MovableClock:
    return MovableClock(NOON, running=False)


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR])
@pytest.mark.parametrize("steps", range(6))
async def test_a_death_at_any_point_leaves_both_halves_or_neither(role: Role, steps: int) -> None:
    world, now, user = World(steps_left=steps), clock(), a_user(role)
    with pytest.raises(Death):
        await enrolment(world, now).enrol(user, "a password of theirs")
    world.steps_left = 1000
    was_written = bool(world.paper or world.made)
    now.advance(timedelta(minutes=1))
    await enrolment(world, now).finish()
    assert (set(world.made), world.profiles, world.paper) == (({user.id}, {user.id}, {}) if was_written else (set(), set(), {}))


@pytest.mark.parametrize("steps", range(7))
async def test_a_repeat_after_a_death_answers_as_if_nothing_had_happened(steps: int) -> None:
    world, now, user = World(steps_left=steps), clock(), a_user(Role.DOCTOR)
    with pytest.raises(Death):
        await enrolment(world, now).enrol(user, "a password of theirs")
    world.steps_left = 1000
    card = await enrolment(world, now).enrol(user, "a password of theirs")
    assert (card.id, card.status, world.paper) == (user.id, "active", {})


@pytest.mark.parametrize("silence", [Unavailable(), TooMany()])
async def test_silence_is_waited_out_and_a_day_is_enough(silence: Exception) -> None:
    world, now, user = World(refusal=silence), clock(), a_user()
    with pytest.raises(type(silence)):
        await enrolment(world, now).enrol(user, None)
    now.advance(timedelta(minutes=1))
    assert (await enrolment(world, now).finish(), len(world.paper)) == (0, 1)
    assert await world.take_up(now() - timedelta(minutes=1), now()) == [], "tried just now"
    now.advance(timedelta(days=1))
    assert (await enrolment(world, now).finish(), len(world.paper)) == (1, 0)
    assert world.made == {}
