"""auth-, patient- and doctor-service over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from notify_svc.domain.mail_content import PasswordLink
from notify_svc.ports.contacts import UnreadableContact
from shared.contracts.contacts import ContactRequest, DoctorContact, DoctorContactRequest, PatientContact, ServiceReminders
from shared.contracts.http import AccountContact
from shared.contracts.refusals import Invalid, NotFound, Unavailable
from shared.contracts.values import Instant, ReadModel
from shared.kit.client import ServiceClient
from shared.kit.logs import log_event

Contact = TypeVar("Contact", bound=BaseModel)
UNREADABLE = "Another service sent an answer that cannot be read."


class ContactId(ReadModel):
    """The id of a contact, the only part that is necessary to leave the rest unread."""

    id: UUID


class ResetToken(ReadModel):
    """The response of auth-service with the token of an invitation or password reset."""

    token: str
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class HttpContactSource:
    """Implements ContactSource, KnownPatients and PasswordLinks."""

    auth: ServiceClient
    patients: ServiceClient
    doctors: ServiceClient

    async def fetch_accounts(self, ids: Sequence[UUID]) -> Sequence[AccountContact | UnreadableContact]:
        return await _fetch(self.auth, ContactRequest(ids=list(ids)), "items", AccountContact)

    async def fetch_patients(self, ids: Sequence[UUID]) -> Sequence[PatientContact | UnreadableContact]:
        return await _fetch(self.patients, ContactRequest(ids=list(ids)), "items", PatientContact)

    async def fetch_doctors(self, ids: Sequence[UUID]) -> Sequence[DoctorContact | UnreadableContact]:
        return await _fetch(self.doctors, DoctorContactRequest(doctor_ids=list(ids)), "doctors", DoctorContact)

    async def fetch_services(self, ids: Sequence[UUID]) -> Sequence[ServiceReminders | UnreadableContact]:
        return await _fetch(self.doctors, DoctorContactRequest(service_ids=list(ids)), "services", ServiceReminders)

    async def has_patient_or_successor(self, patient_id: UUID) -> bool:
        try:
            await self.patients.call("GET", f"/internal/patients/{patient_id}")
        except NotFound as refusal:
            return "merged_into" in refusal.facts
        return True

    async def find_password_link(self, reset_id: UUID) -> PasswordLink | None:
        try:
            token = ResetToken.model_validate(await self.auth.call("POST", f"/internal/password-resets/{reset_id}/token"))
        except Invalid:
            return None
        except ValidationError as error:
            raise Unavailable(UNREADABLE, retry_after=2) from error
        return PasswordLink(token.token, token.expires_at)


async def _fetch(service: ServiceClient, request: BaseModel, name: str, model: type[Contact]) -> list[Contact | UnreadableContact]:
    """Ask for contacts, the list `name` of the answer. The request changes nothing, so it may be repeated.

    Raises Unavailable if the answer is no list of contacts: a later one may be, so no message is given up because of it.
    """
    answer = await service.call("POST", "/internal/contacts", body=request, is_repeatable=True)
    try:
        return list(_read_contacts(answer[name], model))
    except (LookupError, TypeError, ValidationError) as error:
        raise Unavailable(UNREADABLE, retry_after=2) from error


def _read_contacts(items: Sequence[Any], model: type[Contact]) -> Iterator[Contact | UnreadableContact]:
    for item in items:
        try:
            yield model.model_validate(item)
        except ValidationError as error:
            unreadable = UnreadableContact(ContactId.model_validate(item).id)
            fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_url=False, include_input=False)})
            log_event("contact_unreadable", logging.ERROR, contact=model.__name__, id=unreadable.id, fields=fields)
            yield unreadable
