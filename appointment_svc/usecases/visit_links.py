"""Showing, confirming and cancelling a visit by the link in a mail, and making these links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.domain.refusals import NoSuchVisitLink, VisitLinkExpired
from appointment_svc.domain.visit_links import LinkedVisit, LinkTokens, link_hash, require_live_link, require_unchanged
from appointment_svc.ports import AppointmentStore, PatientContactLookup, PatientLookup
from appointment_svc.usecases.actions import ActionContext, AppointmentActions, Decision
from appointment_svc.usecases.guardians import require_not_merged
from shared.contracts.clinic import CurrentClinic
from shared.contracts.contacts import PatientContact
from shared.contracts.identity import Caller, Role
from shared.contracts.values import ZONES
from shared.contracts.visit_links import VisitLinkKey, VisitLinkOut
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class LinkedVisits:
    """The appointments behind links. Each method but `make_links` raises NoSuchVisitLink, VisitLinkExpired, or Unavailable.

    Whether the recipient may still act for the patient is asked each time, because an account can be closed and a guardianship can end.
    The pages show what people read about the `clinic`.
    """

    store: AppointmentStore
    actions: AppointmentActions
    contacts: PatientContactLookup
    patients: PatientLookup
    tokens: LinkTokens
    clinic: CurrentClinic
    now: Clock

    @retry_on_abort
    async def make_links(self, keys: Sequence[VisitLinkKey]) -> list[VisitLinkOut]:
        """Return the links to the appointments that exist, after storing the hashes that are not stored yet.

        The patient's own is stored when an appointment is booked, so that its first mail writes nothing here.
        """
        stored = await self.store.list_link_hashes({key.appointment_id for key in keys})
        added: dict[UUID, set[str]] = {}
        for key in keys:
            new_hash = self.tokens.hash_for(key.appointment_id, key.recipient_id)
            if new_hash not in stored.get(key.appointment_id, (new_hash,)):
                added.setdefault(key.appointment_id, set()).add(new_hash)
        if added:
            await self.store.add_link_hashes(added)
        return [
            VisitLinkOut(**key.model_dump(), token=self.tokens.token_for(key.appointment_id, key.recipient_id))
            for key in keys
            if key.appointment_id in stored
        ]

    async def read(self, token: str) -> LinkedVisit:
        """Return the visit as it is now."""
        appointment, recipient = await self._resolve(token)
        return self._visit(appointment, recipient)

    async def confirm(self, token: str, sequence: int | None) -> LinkedVisit:
        """Record that the patient will come; confirming again changes nothing. Raise VisitChanged, or IllegalMove before an approval."""
        return await self._apply(token, sequence, Appointment.confirm)

    async def cancel(self, token: str, sequence: int | None) -> LinkedVisit:
        """Cancel the visit as its patient or guardian. Raise VisitChanged, or TooLate inside the cut-off."""
        return await self._apply(token, sequence, Appointment.cancel)

    async def _apply(self, token: str, sequence: int | None, transition: Decision) -> LinkedVisit:
        appointment, recipient = await self._resolve(token)

        def decide(current: Appointment, change: Change) -> Appointment:
            require_live_link(current, change.at)
            require_unchanged(current, sequence)
            return transition(current, change)

        caller = Caller(recipient.id, Role.PATIENT)
        context = ActionContext(caller, appointment.id, None, operation_id=new_id(), dependant_id=appointment.patient_id)
        return self._visit(await self.actions.apply(context, decide), recipient)

    async def _resolve(self, token: str) -> tuple[Appointment, PatientContact]:
        """Return the appointment of a link, and the person to whom the link was sent.

        A link that was sent to a patient who was merged into another one since is that patient's. Raises Unavailable while the appointment
        has not followed the merge.
        """
        appointment = await self._find(token)
        require_live_link(appointment, self.now())
        patient = await self._find_patient(appointment.patient_id)
        recipients = {sent_to: sent_to for sent_to in (patient.id, *patient.guardian_ids)}
        recipients |= dict.fromkeys(appointment.former_patient_ids, patient.id)
        for sent_to, recipient_id in recipients.items():
            if self.tokens.token_for(appointment.id, sent_to) == token:
                return appointment, patient if recipient_id == patient.id else await self._find_active(recipient_id)
        raise VisitLinkExpired

    @retry_on_abort
    async def _find(self, token: str) -> Appointment:
        appointment = await self.store.find_by_link(link_hash(token))
        if appointment is None:
            raise NoSuchVisitLink
        return appointment

    async def _find_patient(self, patient_id: UUID) -> PatientContact:
        try:
            return await self._find_active(patient_id)
        except VisitLinkExpired:
            await require_not_merged(self.patients, patient_id)
            raise

    async def _find_active(self, person_id: UUID) -> PatientContact:
        contact = (await self.contacts.find_contacts([person_id])).get(person_id)
        if contact is None or not contact.active:
            raise VisitLinkExpired
        return contact

    def _visit(self, appointment: Appointment, recipient: PatientContact) -> LinkedVisit:
        clinic = self.clinic()
        time_zone = recipient.time_zone if recipient.time_zone in ZONES else None
        return LinkedVisit(appointment, clinic, time_zone or clinic.time_zone, recipient.locale, self.now())
