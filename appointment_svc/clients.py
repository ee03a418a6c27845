"""HTTP clients of the services that appointment-service calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import ValidationError

from shared.contracts.contacts import ContactRequest, PatientContact, PatientContacts
from shared.contracts.http import DependantIds, DoctorRules, PatientSummary, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.refusals import Conflict, Invalid, NotFound, Refusal, Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.contracts.values import format_instant
from shared.kit.client import ServiceClient
from shared.kit.paging import Page


@dataclass(frozen=True, slots=True)
class HttpCalendar:
    """The calendar of scheduling-service. Any refusal of a change but Conflict and Invalid becomes Unavailable."""

    client: ServiceClient

    async def reserve(self, appointment_id: UUID, request: ReserveTime) -> Reservation:
        """Reserve time and return the reservation that stands now."""
        try:
            return Reservation.model_validate(await self.client.call("PUT", f"/internal/reservations/{appointment_id}", body=request))
        except (Conflict, Invalid):
            raise
        except (Refusal, ValidationError) as error:
            raise Unavailable("The calendar does not answer.", retry_after=2) from error

    async def release(self, appointment_id: UUID, revision: int) -> None:
        """Release the reservation unless it is newer than `revision`."""
        try:
            await self.client.call("DELETE", f"/internal/reservations/{appointment_id}", params={"revision": revision})
        except Refusal as error:
            raise Unavailable("The calendar does not answer.", retry_after=2) from error

    async def find(self, appointment_id: UUID) -> Reservation | None:
        """Return the reservation, also a released one; None if there never was one."""
        try:
            return await self.client.get(f"/internal/reservations/{appointment_id}", Reservation)
        except NotFound:
            return None

    async def list_live(self, ends_after: datetime, after: str | None) -> tuple[list[Reservation], str | None]:
        """Return a page of the live reservations that end after an instant, and the cursor of the next page."""
        parameters = {"limit": 100, "after": after, "ends_after": format_instant(ends_after)}
        page = await self.client.get("/internal/reservations", Page[Reservation], **parameters)
        return page.items, page.next


@dataclass(frozen=True, slots=True)
class HttpDoctorLookup:
    """Doctors and service types of doctor-service."""

    client: ServiceClient

    async def get_doctor(self, doctor_id: UUID) -> DoctorRules:
        """Return a doctor; raise NotFound if there is none."""
        return await self.client.get(f"/internal/doctors/{doctor_id}", DoctorRules)

    async def get_service_type(self, service_id: UUID) -> ServiceTypeRules:
        """Return a service type; raise NotFound if there is none."""
        return await self.client.get(f"/internal/services/{service_id}", ServiceTypeRules)


@dataclass(frozen=True, slots=True)
class HttpPatientLookup:
    """Patients of patient-service."""

    client: ServiceClient

    async def get_summary(self, patient_id: UUID) -> PatientSummary:
        """Return the summary of a patient; raise NoSuchPatient if there is none, or if they were merged into another one."""
        try:
            return await self._get(patient_id)
        except NotFound:
            raise NoSuchPatient from None

    async def find_current(self, patient_id: UUID) -> PatientSummary | None:
        """Return the summary of a patient, or of the one into whom they were merged; None if that one was erased."""
        try:
            return await self._get(patient_id)
        except NotFound as refusal:
            merged_into = refusal.facts.get("merged_into")
            return None if merged_into is None else await self.find_current(UUID(merged_into))

    async def _get(self, patient_id: UUID) -> PatientSummary:
        return await self.client.get(f"/internal/patients/{patient_id}", PatientSummary)

    async def list_dependant_ids(self, guardian_id: UUID) -> list[UUID]:
        """Return the patients for whom a patient may book. Any refusal becomes Unavailable."""
        try:
            return (await self.client.get(f"/internal/patients/{guardian_id}/dependants", DependantIds)).ids
        except (Refusal, ValidationError) as error:
            raise Unavailable("The dependants are not available.", retry_after=2) from error


@dataclass(frozen=True, slots=True)
class HttpPatientContactLookup:
    """Contacts of patient-service. Any refusal becomes Unavailable: the recipient of a link cannot do anything about it."""

    client: ServiceClient

    async def find_contacts(self, ids: Sequence[UUID]) -> dict[UUID, PatientContact]:
        """Return the patients that exist, by id."""
        body = ContactRequest(ids=list(ids)).model_dump(mode="json")
        try:
            response = await self.client.call("POST", "/internal/contacts", body=body, is_repeatable=True)
            return {contact.id: contact for contact in PatientContacts.model_validate(response).items}
        except (Refusal, ValidationError) as error:
            raise Unavailable("The patient's details are not available.", retry_after=2) from error
