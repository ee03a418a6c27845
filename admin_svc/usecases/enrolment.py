"""Making a user whole: the account and its profile, or neither."""

from __future__ import annotations

from dataclasses import dataclass

from admin_svc.domain import TAKEN_UP_AFTER, NewUser, Wish
from admin_svc.ports import Accounts, Doctors, Wishes
from shared.contracts.http import AccountSummary
from shared.contracts.refusals import Refusal, TooMany, Unavailable
from shared.kit.clock import Clock
from shared.kit.logs import log_event


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A wish is on paper before a neighbour is asked, and leaves it when the neighbour has done or refused it.

    Two transactions, since between them lies a call."""

    wishes: Wishes
    accounts: Accounts
    doctors: Doctors
    now: Clock

    async def enrol(self, user: NewUser, password: str | None) -> AccountSummary:
        """Repeating it with the same id is harmless. When a neighbour is silent the wish stays, for a repeat or for the job."""
        await self.wishes.note(user, self.now())
        try:
            card = await self._asked(user, password)
        except (Unavailable, TooMany):
            raise
        except Refusal:
            await self.wishes.forget(user.id)
            raise
        await self.wishes.forget(user.id)
        return card

    async def finish(self) -> int:
        """Finishes what a crash or a silent neighbour left; returns how many wishes left the paper."""
        now = self.now()
        return sum([await self._settled(wish) for wish in await self.wishes.take_up(now - TAKEN_UP_AFTER, now)])

    async def _settled(self, wish: Wish) -> bool:
        try:
            if wish.is_given_up(self.now()):
                await self._given_up(wish, "nobody answered")
            else:
                await self.enrol(wish.user, None)
        except (Unavailable, TooMany):
            return False
        except Refusal as refusal:
            await self._given_up(wish, refusal.code)
        return True

    async def _given_up(self, wish: Wish, why: str) -> None:
        await self.wishes.forget(wish.user.id)
        log_event("new user given up", user=str(wish.user.id), why=why)

    async def _asked(self, user: NewUser, password: str | None) -> AccountSummary:
        if not user.is_doctor:
            return await self.accounts.make(user.id, user.account(password))
        await self.doctors.make(user.id, user.doctor_profile(password))
        return await self.accounts.get(user.id)
