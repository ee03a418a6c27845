"""The rules of doctors and services: kept current by events, fetched as a whole at the first start, and one by one when needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from scheduling_svc.domain.refusals import UnknownDoctor
from scheduling_svc.domain.terms import DoctorTerms, ServiceOffer
from scheduling_svc.ports import CalendarReader, CalendarStore, CalendarTransaction, RuleOwner
from shared.contracts.events import DoctorChanged, ServiceChanged
from shared.contracts.http import DoctorRules, ServiceTypeRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Refusal
from shared.contracts.relayed_refusals import UnknownService
from shared.kit.deadlines import shorten_deadline
from shared.kit.retry import retry_on_abort, retry_transaction

MAX_WAIT_SECONDS = 1
MAX_REFRESHED = 3


async def do_nothing(_tx: CalendarTransaction, _doctor: DoctorTerms) -> None:
    """Do nothing when the rules of a doctor change."""


@dataclass(frozen=True, slots=True)
class RuleCache:
    """The rules that this service stores of those that doctor-service owns.

    `on_doctor_changed` is called in the transaction that stores new rules of a doctor. `stored_versions` are versions known to be stored,
    by id. A stored version is never replaced by an older one, so rules with an entry need no further query.
    """

    store: CalendarStore
    owner: RuleOwner
    on_doctor_changed: Callable[[CalendarTransaction, DoctorTerms], Awaitable[None]] = do_nothing
    stored_versions: dict[UUID, int] = field(default_factory=dict)

    async def ensure(
        self, service_id: UUID, doctor_ids: Sequence[UUID] | None = None, *, minimum_versions: Mapping[UUID, int] | None = None
    ) -> None:
        """Make sure that the rules of a service and of some doctors are stored, in at least these versions.

        Call this before a transaction begins, because it may ask doctor-service. Raise UnknownService or UnknownDoctor.
        """
        minimum = minimum_versions or {}
        missing = [item_id for item_id in (service_id, *(doctor_ids or ())) if not self._is_stored(item_id, minimum)]
        if not missing:
            return
        async with self.store.read() as calendar:
            service = await calendar.find_service(service_id)
            doctors = await calendar.list_doctors(doctor_ids) if doctor_ids else []
        self._remember({doctor.id: doctor.version for doctor in doctors})
        self._remember({service.id: service.version} if service else {})
        if not self._is_stored(service_id, minimum):
            await self._fetch_service(service_id)
        for doctor_id in sorted(set(doctor_ids or ())):
            if not self._is_stored(doctor_id, minimum):
                await self._fetch_doctor(doctor_id)

    async def ensure_doctor(self, doctor_id: UUID, minimum_version: int = 0) -> None:
        """Make sure that the rules of a doctor are stored, in at least this version; raise UnknownDoctor."""
        minimum = {doctor_id: minimum_version}
        if self._is_stored(doctor_id, minimum):
            return
        async with self.store.read() as calendar:
            self._remember({doctor.id: doctor.version for doctor in await calendar.list_doctors([doctor_id])})
        if not self._is_stored(doctor_id, minimum):
            await self._fetch_doctor(doctor_id)

    async def refresh_for(self, caller: Caller | None, doctor_ids: Sequence[UUID]) -> None:
        """Fetch the rules of doctors whom the caller may have changed a moment ago, in case the notification from doctor-service was lost.

        That is the caller's own rules, or those of a few named doctors for an admin. If doctor-service does not answer within a second,
        the stored rules are used.
        """
        if caller is None or not (caller.role is Role.ADMIN or caller.id in doctor_ids):
            return
        changeable = doctor_ids if caller.role is Role.ADMIN else [caller.id]
        with suppress(Refusal), shorten_deadline(MAX_WAIT_SECONDS):
            for doctor_id in changeable[:MAX_REFRESHED]:
                await self._refresh_doctor(doctor_id)

    async def _refresh_doctor(self, doctor_id: UUID) -> None:
        rules = await self.owner.find_doctor(doctor_id)
        if rules is not None and rules.version > self.stored_versions.get(doctor_id, -1):
            await self._save(doctors=[rules])
            self._remember({doctor_id: rules.version})

    @retry_on_abort
    async def save_doctor(self, event: DoctorChanged) -> None:
        """Store the rules of a doctor from an event, unless newer ones are stored."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await self._save_doctor_rules(tx, event.rules)

    @retry_on_abort
    async def save_service(self, event: ServiceChanged) -> None:
        """Store the rules of a service from an event, unless newer ones are stored."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id):
                await tx.save_service_rules(event.rules)

    async def fetch_all(self) -> int:
        """Fetch all rules once for this database, and return how many. Newer rules that have arrived by event are kept.

        If the rules of one doctor or service cannot be stored, the others still are, and then the first error is raised.
        """
        if await retry_transaction(self.store.has_all_rules):
            return 0
        errors, count = list[Exception](), 0
        async for services in self.owner.iterate_services():
            count += sum([await self._try_to_save(errors, services=[service]) for service in services])
        async for doctors in self.owner.iterate_doctors():
            count += sum([await self._try_to_save(errors, doctors=[doctor]) for doctor in doctors])
        if errors:
            raise errors[0]
        await retry_transaction(self._mark_all_saved)
        return count

    def _is_stored(self, item_id: UUID, minimum_versions: Mapping[UUID, int]) -> bool:
        return self.stored_versions.get(item_id, -1) >= minimum_versions.get(item_id, 0)

    def _remember(self, versions: Mapping[UUID, int]) -> None:
        for item_id, version in versions.items():
            self.stored_versions[item_id] = max(version, self.stored_versions.get(item_id, -1))

    async def _fetch_service(self, service_id: UUID) -> None:
        rules = await self.owner.find_service(service_id)
        if rules is None:
            raise UnknownService(pointer="/service_id", unknown=[service_id])
        await self._save(services=[rules])
        self._remember({rules.id: rules.version})

    async def _fetch_doctor(self, doctor_id: UUID) -> None:
        rules = await self.owner.find_doctor(doctor_id)
        if rules is None:
            raise UnknownDoctor(pointer="/doctor_id")
        await self._save(doctors=[rules])
        self._remember({rules.id: rules.version})

    async def _try_to_save(self, errors: list[Exception], **rules: Any) -> int:
        try:
            return await retry_transaction(lambda: self._save(**rules))
        except Exception as error:
            errors.append(error)
            return 0

    async def _mark_all_saved(self) -> None:
        async with self.store.begin() as tx:
            await tx.mark_all_rules_saved()

    async def _save(self, *, services: Sequence[ServiceTypeRules] = (), doctors: Sequence[DoctorRules] = ()) -> int:
        """Store rules in one short transaction, and return their number. Harmless to repeat."""
        async with self.store.begin() as tx:
            for service in services:
                await tx.save_service_rules(service)
            for doctor in doctors:
                await self._save_doctor_rules(tx, doctor)
        return len(services) + len(doctors)

    async def _save_doctor_rules(self, tx: CalendarTransaction, rules: DoctorRules) -> None:
        if await tx.save_doctor_rules(rules):
            await self.on_doctor_changed(tx, DoctorTerms.from_rules(rules))


async def load_offer(calendar: CalendarReader, service_id: UUID, doctor_ids: Sequence[UUID] | None = None) -> ServiceOffer:
    """Return a service and the named doctors, or all who offer it, from stored rules; raise UnknownService or UnknownDoctor.

    RuleCache.ensure must have been called before.
    """
    service = await calendar.find_service(service_id)
    if service is None:
        raise UnknownService(pointer="/service_id", unknown=[service_id])
    if doctor_ids is None:
        return ServiceOffer(service, await calendar.list_doctors_offering(service_id))
    doctors = await calendar.list_doctors(doctor_ids)
    if set(doctor_ids) - {doctor.id for doctor in doctors}:
        raise UnknownDoctor(pointer="/doctor_id")
    return ServiceOffer(service, doctors)
