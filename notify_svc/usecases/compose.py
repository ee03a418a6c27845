"""Collecting the content of a mail from other services, when the mail is about to be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from notify_svc.domain.mail_content import AppointmentDetails, MailContent, Recipient
from notify_svc.domain.messages import ERASED, SENT_TO_GUARDIANS, Message
from notify_svc.domain.notifications import KINDS_ABOUT_PATIENTS, KINDS_WITHOUT_LINK, Audience, MessageKind
from notify_svc.domain.recipients import recipient_ids
from notify_svc.domain.unsubscribe_links import UnsubscribeLinks
from notify_svc.ports import Contacts, PasswordLinks
from notify_svc.usecases.current_patients import CurrentPatients
from notify_svc.usecases.visit_links import VisitLinks
from shared.contracts.clinic import CurrentClinic
from shared.contracts.contacts import DoctorContact, PatientContact
from shared.contracts.http import AccountContact
from shared.contracts.identity import Role
from shared.contracts.refusals import Unavailable
from shared.contracts.texts import one_line
from shared.contracts.values import ZONES


class Undeliverable(Exception):
    """The message cannot be sent, for example because its link has expired. The argument is the problem that is stored with it."""


class NoAddress(Undeliverable):
    """The recipient has no email address, or is no longer entitled to the message."""


class IsForGuardians(Exception):
    """The recipient is a dependant without an account: only the guardians get a message each."""

    def __init__(self) -> None:
        super().__init__(SENT_TO_GUARDIANS)


@dataclass(frozen=True, slots=True)
class MailComposer:
    """Collects the content of mails. Raises the refusals of other services when they do not answer.

    Recipients without a time zone or a locale of their own have those of the `clinic`.
    """

    contacts: Contacts
    patients: CurrentPatients
    links: PasswordLinks
    visit_links: VisitLinks
    clinic: CurrentClinic
    unsubscribe_links: UnsubscribeLinks

    async def compose(self, message: Message) -> MailContent:
        """Return the content of a mail. Raises NoAddress, IsForGuardians, or Undeliverable when the link does not work any more."""
        if message.audience is Audience.OWNER:
            content = await self._compose_for_owner(message)
        elif message.kind in KINDS_ABOUT_PATIENTS:
            content = await self._compose_about_patient(message)
        else:
            content = await self._compose_about_appointment(message)
        unsubscribe_link = self.unsubscribe_links.link_in(message)
        return replace(content, unsubscribe_link=unsubscribe_link) if unsubscribe_link else content

    async def find_guardians(self, message: Message) -> Sequence[UUID]:
        """Return the guardians of the patient who is the recipient: they get a message each, also where the patient gets one."""
        if not message.is_copied_to_guardians:
            return ()
        patient = (await self.contacts.find_patients({message.recipient_id})).get(message.recipient_id)
        return patient.guardian_ids if patient is not None else ()

    async def _compose_about_appointment(self, message: Message) -> MailContent:
        patient_id, doctor_id, recipient_id = UUID(message.facts["patient_id"]), UUID(message.facts["doctor_id"]), message.recipient_id
        changed_at = message.created_at if message.kind is MessageKind.AMENDED else None
        patient, doctors, accounts = await asyncio.gather(
            self.patients.find(patient_id),
            self.contacts.find_doctors({doctor_id}, fetched_after=changed_at),
            self.contacts.find_accounts({recipient_id}),
        )
        doctor, account = doctors.get(doctor_id), accounts.get(recipient_id)
        if doctor is None:
            raise NoAddress("no_address")
        recipient = await self._find_recipient(message, patient, doctor, account)
        patient_name = patient.full_name if patient is not None else None
        details = AppointmentDetails(f"{doctor.title or ''} {doctor.full_name}", doctor.location, patient_name)
        return MailContent(message, recipient, details, visit_link=await self.visit_links.find_link(message))

    async def _compose_about_patient(self, message: Message) -> MailContent:
        if message.is_without_text:
            raise Undeliverable(ERASED)
        patient_id = UUID(message.facts["patient_id"])
        patient, accounts = await asyncio.gather(self.patients.find(patient_id), self.contacts.find_accounts({message.recipient_id}))
        if patient is None:
            raise NoAddress("no_address")
        recipient = await self._find_patient_or_guardian(message, patient, accounts.get(message.recipient_id))
        return MailContent(message, recipient, patient_name=one_line(patient.full_name))

    async def _find_recipient(
        self, message: Message, patient: PatientContact | None, doctor: DoctorContact, account: AccountContact | None
    ) -> Recipient:
        """Return the recipient of a message about an appointment: the doctor, the patient, or a guardian of the patient.

        Of an erased patient only the doctor is told, for example that the visit was cancelled.
        """
        if message.audience is Audience.DOCTOR:
            return self._recipient_from(account, doctor)
        if patient is None:
            raise NoAddress("no_address")
        return await self._find_patient_or_guardian(message, patient, account)

    async def _find_patient_or_guardian(self, message: Message, patient: PatientContact, account: AccountContact | None) -> Recipient:
        """Return the patient or a guardian. Raises Unavailable until a message to a former id of the patient has that of the patient."""
        if message.recipient_id == patient.id:
            return self._patient_as_recipient(patient, account)
        if str(message.recipient_id) == message.facts["patient_id"]:
            raise Unavailable("The message is about to become that of the patient into whom its recipient was merged.", retry_after=2)
        if message.recipient_id not in patient.guardian_ids:
            raise NoAddress("no_longer_guardian")
        guardian = (await self.contacts.find_patients({message.recipient_id})).get(message.recipient_id)
        recipient = self._recipient_from(account, guardian)
        if guardian is not None and not guardian.active:
            raise NoAddress("no_longer_guardian")
        return recipient

    def _patient_as_recipient(self, patient: PatientContact, account: AccountContact | None) -> Recipient:
        """Return the patient with the address of the account, or else with the address that the clinic knows.

        Raises IsForGuardians for a dependant to whom no mails are sent.
        """
        if patient.guardian_ids and patient.id not in recipient_ids(patient):
            raise IsForGuardians
        if account is None and patient.email:
            return Recipient(patient.full_name, patient.email, patient.locale or self.clinic().locale, self._zone(patient.time_zone))
        return self._recipient_from(account, patient)

    async def _compose_for_owner(self, message: Message) -> MailContent:
        account = (await self.contacts.find_accounts({message.recipient_id})).get(message.recipient_id)
        recipient = self._recipient_from(account, await self._find_profile(account) if account else None)
        if message.kind in KINDS_WITHOUT_LINK:
            return MailContent(message, recipient)
        link = await self.links.find_password_link(UUID(message.facts["reset_id"]))
        if link is None:
            raise Undeliverable("link_expired")
        return MailContent(message, recipient, link=link)

    async def _find_profile(self, account: AccountContact) -> PatientContact | DoctorContact | None:
        if account.role is Role.PATIENT:
            return (await self.contacts.find_patients({account.id})).get(account.id)
        if account.role is Role.DOCTOR:
            return (await self.contacts.find_doctors({account.id})).get(account.id)
        return None

    def _recipient_from(self, account: AccountContact | None, profile: PatientContact | DoctorContact | None) -> Recipient:
        """Return the recipient: the address is the account's; name, time zone and locale are the profile's, as far as it has them.

        Raises NoAddress without an account, or with a disabled one: then the person gets no mail at all.
        """
        if account is None:
            raise NoAddress("no_address")
        if account.status == "disabled":
            raise NoAddress("account_disabled")
        locale = profile.locale if isinstance(profile, PatientContact) and profile.locale else account.locale
        person = profile or account
        return Recipient(person.full_name, account.email, locale, self._zone(person.time_zone))

    def _zone(self, time_zone: str | None) -> str:
        return time_zone if time_zone in ZONES else self.clinic().time_zone
