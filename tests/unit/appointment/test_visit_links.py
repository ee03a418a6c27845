"""The links in mails: who may use them, until when, and what they do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import IllegalMove, NoSuchVisitLink, TooLate, VisitChanged, VisitLinkExpired
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.domain.visit_links import LinkTokens, link_hash
from shared.contracts.identity import Role
from shared.contracts.refusals import Unavailable
from shared.contracts.visit_links import VisitLinkKey
from tests.unit.appointment.builders import (
    ADMIN,
    ANNA,
    COLLEAGUE,
    DESK,
    LINK_TOKENS,
    NINE,
    PATIENT,
    STRANGER,
    TEN,
    a_booking_request,
    a_change,
    a_doctor_snapshot,
    a_patient_contact,
    an_appointment,
)
from tests.unit.appointment.fakes import FakeClinic

Status = AppointmentStatus
GUARDIAN = UUID(int=0xC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clinic() -> FakeClinic:
    clinic = FakeClinic()
    clinic.contacts[PATIENT] = a_patient_contact(guardian_ids=[GUARDIAN])
    clinic.contacts[GUARDIAN] = a_patient_contact(id=GUARDIAN, full_name="Gus Ames", time_zone="Asia/Tokyo", locale="fr")
    return clinic


def own_token(appointment: Appointment) -> str:
    return LINK_TOKENS.token_for(appointment.id, PATIENT)


async def guardian_token(clinic: FakeClinic, appointment: Appointment, recipient_id: UUID = GUARDIAN) -> str:
    (link,) = await clinic.linked.make_links([VisitLinkKey(appointment_id=appointment.id, recipient_id=recipient_id)])
    return link.token


def test_a_token_follows_from_secret_appointment_and_recipient_only() -> None:
    token = LINK_TOKENS.token_for(UUID(int=1), UUID(int=2))
    assert token == LinkTokens(LINK_TOKENS.secret).token_for(UUID(int=1), UUID(int=2))
    others = [(LINK_TOKENS, 1, 3), (LINK_TOKENS, 2, 1), (LINK_TOKENS, 2, 2), (LinkTokens("another secret"), 1, 2)]
    assert token not in [
        tokens.token_for(UUID(int=appointment_number), UUID(int=person_number)) for tokens, appointment_number, person_number in others
    ]
    assert len(token) == 43
    assert LINK_TOKENS.secret not in repr(LINK_TOKENS)


@pytest.mark.parametrize("text", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "\n", "ä" * 43, "../" * 14 + "a", "a" * 100_000])
def test_text_that_cannot_be_a_token_is_an_unknown_link(text: str) -> None:
    with pytest.raises(NoSuchVisitLink):
        link_hash(text)


async def test_a_booking_stores_the_hash_of_the_patients_link_and_no_token(clinic: FakeClinic) -> None:
    booked = await clinic.booking.book(a_booking_request(), ANNA, UUID(int=77))
    assert clinic.store.link_hashes[booked.id] == {link_hash(own_token(booked))}
    assert (await clinic.linked.read(own_token(booked))).appointment.id == booked.id


async def test_links_are_made_for_appointments_of_earlier_releases_and_for_guardians(clinic: FakeClinic) -> None:
    old, unknown = clinic.add(an_appointment()), UUID(int=99)
    clinic.store.link_hashes.clear()  # as in a document that was stored before links existed
    keys = [
        VisitLinkKey(appointment_id=appointment_id, recipient_id=who) for appointment_id in (old.id, unknown) for who in (PATIENT, GUARDIAN)
    ]
    links = await clinic.linked.make_links(keys)
    assert [(link.appointment_id, link.recipient_id) for link in links] == [(old.id, PATIENT), (old.id, GUARDIAN)]
    assert clinic.store.link_hashes == {old.id: {link_hash(link.token) for link in links}}
    assert await clinic.linked.make_links(keys) == links
    for link in links:
        assert (await clinic.linked.read(link.token)).appointment.id == old.id


async def test_a_visit_is_shown_in_the_zone_and_language_of_the_links_recipient(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    own, guardians = await clinic.linked.read(own_token(appointment)), await clinic.linked.read(await guardian_token(clinic, appointment))
    assert (own.local_start, own.time_zone, own.locale) == ("2026-03-09T08:00", "Europe/Lisbon", "de-AT")
    assert (guardians.local_start, guardians.time_zone, guardians.locale) == ("2026-03-09T17:00", "Asia/Tokyo", "fr")
    clinic.contacts[PATIENT] = a_patient_contact(time_zone=None, locale=None)
    own = await clinic.linked.read(own_token(appointment))
    assert (own.time_zone, own.locale) == ("Europe/Berlin", None)


@pytest.mark.parametrize(
    "status",
    [
        Status.CHECKED_IN,
        Status.IN_PROGRESS,
        Status.COMPLETED,
        Status.MISSED,
        Status.CANCELLED,
        Status.DECLINED,
        Status.EXPIRED,
        Status.REFUSED,
    ],
)
async def test_a_link_to_a_visit_that_has_begun_or_ended_has_expired(clinic: FakeClinic, status: AppointmentStatus) -> None:
    appointment = clinic.add(an_appointment(status))
    for use in (clinic.linked.read(own_token(appointment)), clinic.linked.confirm(own_token(appointment), None)):
        with pytest.raises(VisitLinkExpired):
            await use
    with pytest.raises(VisitLinkExpired):
        await clinic.linked.cancel(own_token(appointment), None)
    assert clinic.store.events == []


async def test_a_link_expires_at_the_start_of_the_visit(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    clinic.clock.set(NINE - MINUTE)
    await clinic.linked.read(own_token(appointment))
    clinic.clock.set(NINE)
    with pytest.raises(VisitLinkExpired):
        await clinic.linked.confirm(own_token(appointment), None)


async def test_a_link_is_dead_once_its_recipient_may_not_act_for_the_patient(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    own, guardians = own_token(appointment), await guardian_token(clinic, appointment)
    strangers = await guardian_token(clinic, appointment, STRANGER)
    patient, guardian = clinic.contacts[PATIENT], clinic.contacts[GUARDIAN]
    closed = {"active": False}
    dead = [
        (strangers, {}),  # a link that should not have been made
        (own, {PATIENT: patient.model_copy(update=closed)}),
        (guardians, {PATIENT: patient.model_copy(update=closed)}),
        (guardians, {GUARDIAN: guardian.model_copy(update=closed)}),
        (guardians, {PATIENT: patient.model_copy(update={"guardian_ids": []})}),
    ]
    for token, changes in dead:
        clinic.contacts |= {PATIENT: patient, GUARDIAN: guardian} | changes
        for act in (clinic.linked.confirm, clinic.linked.cancel):
            with pytest.raises(VisitLinkExpired):
                await act(token, None)
    assert (clinic.store.events, clinic.store.appointments[appointment.id]) == ([], appointment)
    del clinic.contacts[PATIENT]
    with pytest.raises(VisitLinkExpired):
        await clinic.linked.read(own)


async def test_while_patient_service_does_not_answer_nothing_is_shown_or_done(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    clinic.patient_service_down = True
    for use in (clinic.linked.read(own_token(appointment)), clinic.linked.cancel(own_token(appointment), None)):
        with pytest.raises(Unavailable):
            await use
    assert clinic.topics == []


async def test_confirming_makes_a_version_and_an_amendment_and_happens_once(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(sequence=3))
    visit = await clinic.linked.confirm(own_token(appointment), 3)
    saved = clinic.store.appointments[appointment.id]
    assert (visit.confirmed_at, visit.can_confirm, saved.version, saved.sequence) == (clinic.clock(), False, appointment.version + 1, 3)
    entry = saved.history[-1]
    assert (entry.action, entry.actor.id, entry.actor.role) == ("confirmed", PATIENT, Role.PATIENT)
    assert [(event.topic, event.changed, event.sequence) for event in clinic.store.events] == [
        ("appointment.amended.v1", ["confirmation"], 3)
    ]
    clinic.clock.advance(MINUTE)
    again = await clinic.linked.confirm(own_token(appointment), 3)
    assert (again.confirmed_at, clinic.store.appointments[appointment.id]) == (visit.confirmed_at, saved)
    assert len(clinic.store.events) == 1


async def test_a_guardian_confirms_and_cancels_as_themselves(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    token = await guardian_token(clinic, appointment)
    await clinic.linked.confirm(token, None)
    visit = await clinic.linked.cancel(token, None)
    saved = clinic.store.appointments[appointment.id]
    assert (visit.status, visit.can_cancel, visit.can_confirm) == (Status.CANCELLED, False, False)
    assert [(entry.action, entry.actor.id) for entry in saved.history] == [("confirmed", GUARDIAN), ("cancelled", GUARDIAN)]
    assert (clinic.topics, clinic.calendar.reservations) == (["amended", "cancelled"], {})
    with pytest.raises(VisitLinkExpired):
        await clinic.linked.cancel(token, None)


async def test_a_request_that_is_not_approved_can_be_cancelled_but_not_confirmed(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(Status.REQUESTED))
    visit = await clinic.linked.read(own_token(appointment))
    assert (visit.can_confirm, visit.can_cancel) == (False, True)
    with pytest.raises(IllegalMove):
        await clinic.linked.confirm(own_token(appointment), None)
    assert (await clinic.linked.cancel(own_token(appointment), None)).status is Status.CANCELLED


async def test_the_cut_off_is_the_patients_also_by_link(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(service={"cancel_cutoff_minutes": 60}))
    clinic.clock.set(NINE - 60 * MINUTE)
    assert (await clinic.linked.read(own_token(appointment))).can_cancel
    clinic.clock.advance(timedelta(seconds=1))
    assert not (await clinic.linked.read(own_token(appointment))).can_cancel
    with pytest.raises(TooLate):
        await clinic.linked.cancel(own_token(appointment), None)
    assert (await clinic.linked.confirm(own_token(appointment), None)).confirmed_at


async def test_a_visit_that_was_moved_after_the_page_was_opened_is_not_confirmed_or_cancelled(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    seen = (await clinic.linked.read(own_token(appointment))).sequence
    await clinic.actions.reschedule(clinic.context(DESK, appointment), starts_at=TEN)
    for act in (clinic.linked.confirm, clinic.linked.cancel):
        with pytest.raises(VisitChanged):
            await act(own_token(appointment), seen)
    visit = await clinic.linked.read(own_token(appointment))
    assert (visit.starts_at, visit.confirmed_at, clinic.topics) == (TEN, None, ["rescheduled"])
    assert (await clinic.linked.confirm(own_token(appointment), visit.sequence)).confirmed_at


async def test_a_visit_that_ends_while_its_link_is_used_is_left_alone(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment())
    clinic.store.saved_meanwhile.append(appointment.cancel(a_change()))
    with pytest.raises(VisitLinkExpired):
        await clinic.linked.confirm(own_token(appointment), None)


async def test_a_move_another_doctor_a_restore_and_an_approval_clear_the_confirmation(clinic: FakeClinic) -> None:
    moved, reassigned, cancelled, checked_in, requested = (
        clinic.add(an_appointment(status, starts_at=NINE + number * timedelta(hours=2), confirmed_at=clinic.clock()))
        for number, status in enumerate(
            (
                Status.BOOKED,
                Status.BOOKED,
                Status.CANCELLED,
                Status.CHECKED_IN,
                Status.REQUESTED,
            )
        )
    )
    actions, context = clinic.actions, clinic.context
    after = [
        await actions.reschedule(context(DESK, moved), starts_at=moved.starts_at + timedelta(hours=1)),
        await actions.reschedule(context(DESK, reassigned), doctor_id=COLLEAGUE),
        await actions.restore(context(DESK, cancelled)),
        await actions.restore(context(DESK, checked_in)),
        await actions.approve(context(ADMIN, requested)),
    ]
    assert [appointment.confirmed_at for appointment in after] == [None] * 5


async def test_what_changes_nothing_about_the_visit_keeps_the_confirmation(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(confirmed_at=clinic.clock()))
    amended = await clinic.actions.amend(clinic.context(ANNA, appointment), {"reason": "a rash"})
    followed = replace(amended, doctor=a_doctor_snapshot()).follow_doctor(a_doctor_snapshot(location="Room 5", version=2), a_change())
    same_time = await clinic.actions.reschedule(clinic.context(DESK, appointment), starts_at=NINE)
    assert [changed.confirmed_at for changed in (amended, followed, same_time)] == [clinic.clock()] * 3
    assert followed != amended
