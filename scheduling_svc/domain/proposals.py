"""Planned slots: each slot that was proposed for one appointment counts as taken when the next one is planned."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from uuid import UUID

from scheduling_svc.domain.busy_times import BookedTime, BusyTimes, GroupOccupancy
from scheduling_svc.domain.claims import BookedSlot
from scheduling_svc.domain.terms import ServiceTerms


@dataclass(slots=True)
class PlannedSlots:
    """The slots that were proposed so far, by doctor and by patient."""

    slots: dict[UUID, list[BookedSlot]] = field(default_factory=lambda: defaultdict(list))

    def add(self, slot: BookedSlot) -> None:
        """Record a proposed slot as busy time of its doctor and of its patient."""
        self.slots[slot.doctor_id].append(slot)
        self.slots[slot.patient_id].append(slot)

    def apply_to(self, busy_times: BusyTimes, person_id: UUID, service: ServiceTerms) -> BusyTimes:
        """Return the busy times of a person with the planned slots taken; seats of group sessions count as held.

        `service` is the service in question, against whose caps the planned slots count.
        """
        slots = self.slots.get(person_id, [])
        if not slots:
            return busy_times
        seats = Counter(slot.session for slot in slots if slot.session and slot.doctor_id == person_id)
        sessions = {session.session_id: session for session in busy_times.sessions}
        new_sessions = [GroupOccupancy.empty(session) for session in seats if session.id not in sessions]
        sessions |= {session.session_id: session for session in new_sessions}
        for session, count in seats.items():
            occupancy = sessions[session.id]
            sessions[session.id] = occupancy._replace(held_seats=occupancy.held_seats + count)
        single_visits = [BookedTime.of(slot, person_id) for slot in slots if slot.doctor_id != person_id or not slot.session]
        counted_starts = {slot.visit.start for slot in slots if (slot.doctor_id, slot.service_id) == (person_id, service.id)}
        return replace(
            busy_times,
            booked=[*busy_times.booked, *single_visits, *(session.time for session in new_sessions)],
            sessions=list(sessions.values()),
            counted_starts=[*busy_times.counted_starts, *counted_starts],
        )
