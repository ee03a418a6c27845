"""Sending what is queued: each message by one sender at a time, and never twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email.errors import MessageError
from uuid import UUID

from notify_svc.domain.letters import Clinic, Letter, Person, Visit
from notify_svc.domain.messages import FORGOTTEN_AFTER, Kind, Message, Reader
from notify_svc.ports import Ambiguous, Deferred, Mailbox, People, Refused, Store
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock

BATCH = 20


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
        """In the order of their making; returns how many were taken in hand."""
        return sum([await self._one(message) for message in await self.store.due(self.now(), BATCH)])

    async def recover(self) -> int:
        """What a sender that died has had in hand for a while."""
        return await self._taken_back(lambda one: one.taken_at is not None and one.taken_at < self.now() - FORGOTTEN_AFTER)

    async def recover_own(self) -> int:
        """At a start: what this very instance had in hand in its last life."""
        return await self._taken_back(lambda one: one.holder == self.holder)

    async def _taken_back(self, is_abandoned: Callable[[Message], bool]) -> int:
        abandoned = [message for message in await self.store.in_hand() if is_abandoned(message)]
        return sum([await self.store.save(one.abandoned(self.mailbox.repeatable, self.now()), one) for one in abandoned])

    async def _one(self, queued: Message) -> int:
        if await self.store.overtaken(queued):
            await self.store.save(queued.skipped(), queued)
            return 1
        taken = queued.taken(self.holder, self.now())
        if not await self.store.save(taken, queued):
            return 0
        await self._sent(taken)
        return 1

    async def _sent(self, taken: Message) -> None:
        """What is written down afterwards replaces what was written last: in hand, or handed over."""
        standing = taken
        try:
            mail = (await self._letter(taken)).mail(self.now())
            if not await self.store.save(taken.handing_over(), taken):
                return
            standing = taken.handing_over()
            await self.mailbox.deliver(mail)
        except (Undeliverable, Refused, ValueError, MessageError) as why:
            outcome = standing.failed(str(why))
        except (Deferred, Refusal) as why:
            outcome = standing.deferred(str(why), self.now())
        except Ambiguous as why:
            outcome = standing.unknown(str(why))
        else:
            outcome = standing.sent(self.now())
        await self.store.save(outcome, standing)

    async def _letter(self, message: Message) -> Letter:
        if message.reader is Reader.OWNER:
            return await self._to_owner(message)
        facts = message.facts
        account, patient, doctor = await asyncio.gather(
            self.people.account(message.recipient_id),
            self.people.patient(UUID(facts["patient_id"])),
            self.people.doctor(UUID(facts["doctor_id"])),
        )
        if account is None or patient is None or doctor is None:
            raise Undeliverable("no_address")
        named = " ".join(filter(None, (doctor.title, doctor.full_name)))
        if message.reader is Reader.PATIENT:
            person = Person(patient.full_name, account.email, patient.locale, patient.time_zone)
        else:
            person = Person(account.full_name, account.email, account.locale, doctor.time_zone)
        return Letter(message, person, self.clinic, Visit(named, doctor.location, patient.full_name))

    async def _to_owner(self, message: Message) -> Letter:
        account = await self.people.account(message.recipient_id)
        if account is None or account.status == "disabled":
            raise Undeliverable("no_address")
        person = Person(account.full_name, account.email, account.locale, "UTC")
        if message.kind is Kind.PASSWORD_CHANGED:
            return Letter(message, person, self.clinic)
        link = await self.people.link(UUID(message.facts["reset_id"]))
        if link is None:
            raise Undeliverable("link_expired")
        return Letter(message, person, self.clinic, link=link)
