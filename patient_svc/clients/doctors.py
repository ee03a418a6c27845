"""doctor-service over HTTP."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from shared.contracts.contacts import DoctorContactRequest, DoctorContacts
from shared.contracts.refusals import Refusal
from shared.kit.client import ServiceClient
from shared.kit.deadlines import shorten_deadline
from shared.kit.logs import log_event

MAX_SECONDS = 2.0
"""How long a list waits for the names that it shows beside the ids."""


@dataclass(frozen=True, slots=True)
class HttpDoctorNameClient:
    """Implements DoctorNameClient."""

    service: ServiceClient

    async def find_names(self, doctor_ids: Collection[UUID]) -> Mapping[UUID, str]:
        request = DoctorContactRequest(doctor_ids=list(doctor_ids))
        try:
            with shorten_deadline(MAX_SECONDS):
                answer = await self.service.call("POST", "/internal/contacts", body=request, is_repeatable=True)
            contacts = DoctorContacts.model_validate(answer)
        except (Refusal, ValidationError) as error:
            log_event("names_of_doctors_missing", reason=type(error).__name__)
            return {}
        return {contact.id: contact.full_name for contact in contacts.doctors}
