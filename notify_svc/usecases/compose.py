"""Collecting the content of a mail from other services, when the mail is about to be sent."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from notify_svc.domain.mail_content import AppointmentDetails, MailContent, Recipient
from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports import ContactClient
from shared.contracts.http import AccountContact, DoctorRules, PatientSummary
from shared.contracts.identity import Role
from shared.contracts.values import ZONES


class Undeliverable(Exception):
    """The message has no recipient, or its link does not work any more. The argument is the problem that is stored with the message."""


@dataclass(frozen=True, slots=True)
class MailComposer:
    """Collects the content of mails. Raises the refusals of other services when they do not answer.

    `clinic_time_zone` is the IANA zone for recipients who have none of their own.
    """

    contacts: ContactClient
    clinic_time_zone: str

    async def compose(self, message: Message) -> MailContent:
        """Return the content of a mail. Raises Undeliverable without an address, or when the link does not work any more."""
        if message.audience is Audience.OWNER:
            return await self._compose_for_owner(message)
        return await self._compose_about_appointment(message)

    async def _compose_about_appointment(self, message: Message) -> MailContent:
        account = await self.contacts.find_account(message.recipient_id)
        patient = await self.contacts.find_patient(UUID(message.facts["patient_id"]))
        doctor = await self.contacts.find_doctor(UUID(message.facts["doctor_id"]))
        if account is None or patient is None or doctor is None:
            raise Undeliverable("no_address")
        profile = patient if message.audience is Audience.PATIENT else doctor
        doctor_name = f"{doctor.title or ''} {doctor.full_name}"
        appointment = AppointmentDetails(doctor_name, doctor.location, patient.full_name)
        return MailContent(message, self._recipient_from(account, profile), appointment)

    async def _compose_for_owner(self, message: Message) -> MailContent:
        account = await self.contacts.find_account(message.recipient_id)
        if account is None or account.status == "disabled":
            raise Undeliverable("no_address")
        recipient = self._recipient_from(account, await self._find_profile(account))
        if message.kind is MessageKind.PASSWORD_CHANGED:
            return MailContent(message, recipient)
        link = await self.contacts.find_password_link(UUID(message.facts["reset_id"]))
        if link is None:
            raise Undeliverable("link_expired")
        return MailContent(message, recipient, link=link)

    async def _find_profile(self, account: AccountContact) -> PatientSummary | DoctorRules | None:
        if account.role is Role.PATIENT:
            return await self.contacts.find_patient(account.id)
        if account.role is Role.DOCTOR:
            return await self.contacts.find_doctor(account.id)
        return None

    def _recipient_from(self, account: AccountContact, profile: PatientSummary | DoctorRules | None) -> Recipient:
        """Return the recipient: the address is the account's; name, time zone and locale are the profile's, as far as it has them."""
        person = profile or account
        locale = profile.locale if isinstance(profile, PatientSummary) else account.locale
        time_zone = person.time_zone if person.time_zone in ZONES else self.clinic_time_zone
        return Recipient(person.full_name, account.email, locale, time_zone)
