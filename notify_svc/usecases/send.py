"""Sending what is queued: each message by one sender at a time, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any, cast
from uuid import UUID

from notify_svc.domain.letters import Clinic, Letter, Person, Visit
from notify_svc.domain.messages import FORGOTTEN_AFTER, Kind, Message, Reader, Status
from notify_svc.ports import Ambiguous, Deferred, Mailbox, People, Refused, Store
from shared.contracts.http import AccountSummary, DoctorRules, PatientSummary
from shared.contracts.identity import Role
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.retry import retry_transaction

AT_ONCE = 8


class Undeliverable(Exception):
    """There is nobody to send it to, or nothing left to say."""


@dataclass(frozen=True, slots=True)
class Sending:
    store: Store
    people: People
    mailbox: Mailbox
    clinic: Clinic
    now: Clock
    holder: str

    async def send_due(self) -> int:
        """Some at once, those about the same one by one in the order of their making; returns how many were taken in hand."""
        abouts: dict[UUID, list[Message]] = {}
        for message in await self.store.due(self.now(), AT_ONCE):
            abouts.setdefault(message.subject_id, []).append(message)
        done = await asyncio.gather(*map(self._in_order, abouts.values()), return_exceptions=True)
        for fault in done:
            if isinstance(fault, BaseException):
                raise fault
        return sum(cast("list[int]", done))

    async def _in_order(self, messages: list[Message]) -> int:
        return sum([await self._one(message) for message in messages])

    async def recover(self) -> int:
        """What a sender that died has had in hand for a while."""
        return await self._taken_back(lambda one: one.taken_at is not None and one.taken_at < self.now() - FORGOTTEN_AFTER)

    async def recover_own(self) -> int:
        """At a start: what this very instance had in hand in its last life."""
        return await self._taken_back(lambda one: one.holder == self.holder)

    async def _taken_back(self, is_abandoned: Callable[[Message], bool]) -> int:
        abandoned = [message for message in await self.store.in_hand() if is_abandoned(message)]
        problem, at = "its sender died", self.now()
        return sum([await self._save(one.abandoned(problem, self.mailbox.repeatable, at), one) for one in abandoned])

    async def _one(self, queued: Message) -> int:
        taken = await retry_transaction(lambda: self._taken(queued))
        if taken is not None and taken.status is Status.SENDING:
            await to_the_end(self._sent(taken))
        return int(taken is not None)

    async def _taken(self, queued: Message) -> Message | None:
        """None when it is not its turn, or someone else took it."""
        async with self.store.begin() as tx:
            taken = queued.in_turn(await tx.others(queued), self.holder, self.now())
            return taken if taken is not None and await tx.save(taken, queued) else None

    async def _save(self, message: Message, before: Message) -> bool:
        async def save() -> bool:
            async with self.store.begin() as tx:
                return await tx.save(message, before)

        return await retry_transaction(save)

    async def _sent(self, taken: Message) -> None:
        """What is written down afterwards replaces what was written last: in hand, or handed over."""
        standing = taken
        try:
            mail = await self._written(taken)
            if not await self._save(taken.handing_over(), taken):
                return
            standing = taken.handing_over()
            await self.mailbox.deliver(mail)
            outcome = standing.sent(self.now())
        except (Undeliverable, Refused) as why:
            outcome = standing.failed(str(why))
        except (Deferred, Refusal) as why:
            outcome = standing.deferred(str(why), self.now())
        except Ambiguous as why:
            outcome = standing.unknown(str(why))
        except Exception as why:  # a fault of ours: the job's wall logs it, and the others' mails go on
            await self._save(standing.abandoned(type(why).__name__, self.mailbox.repeatable, self.now()), standing)
            raise
        await self._save(outcome, standing)

    async def _written(self, message: Message) -> EmailMessage:
        letter = await self._letter(message)
        try:
            return letter.mail(self.now())
        except (ValueError, MessageError):
            raise Undeliverable("no_such_address") from None

    async def _letter(self, message: Message) -> Letter:
        if message.reader is Reader.OWNER:
            return await self._to_owner(message)
        facts = message.facts
        account = await self.people.account(message.recipient_id)
        patient = await self.people.patient(UUID(facts["patient_id"]))
        doctor = await self.people.doctor(UUID(facts["doctor_id"]))
        if account is None or patient is None or doctor is None:
            raise Undeliverable("no_address")
        named = " ".join(filter(None, (doctor.title, doctor.full_name)))
        reader = patient if message.reader is Reader.PATIENT else doctor
        return Letter(message, person(account, reader), self.clinic, Visit(named, doctor.location, patient.full_name))

    async def _to_owner(self, message: Message) -> Letter:
        account = await self.people.account(message.recipient_id)
        if account is None or account.status == "disabled":
            raise Undeliverable("no_address")
        owner = person(account, await self._profile(account))
        if message.kind is Kind.PASSWORD_CHANGED:
            return Letter(message, owner, self.clinic)
        link = await self.people.link(UUID(message.facts["reset_id"]))
        if link is None:
            raise Undeliverable("link_expired")
        return Letter(message, owner, self.clinic, link=link)

    async def _profile(self, account: AccountSummary) -> PatientSummary | DoctorRules | None:
        profiles = {Role.PATIENT: self.people.patient, Role.DOCTOR: self.people.doctor}
        return await profiles[account.role](account.id) if account.role in profiles else None


def person(account: AccountSummary, profile: PatientSummary | DoctorRules | None) -> Person:
    """Address by the account; name, zone and language by the profile, as far as it knows them."""
    if profile is None:
        return Person(account.full_name, account.email, account.locale, "UTC")
    locale = profile.locale if isinstance(profile, PatientSummary) else account.locale
    return Person(profile.full_name, account.email, locale, profile.time_zone)


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Where the service is told to end meanwhile, this is brought to its end first: nobody is left not knowing whether a mail left."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
