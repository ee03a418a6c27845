"""Every appointment that needs time has exactly its claim, and each claim of an appointment has its appointment.

Two services store the two halves. An appointment is written before its claim changes, with an intent, and written again afterwards. So the
claim is read between two reads of the appointment: if the appointment is the same both times, and has no intent, then no request changed
the claim in between, and a difference is a fault. A change that scheduling-service makes by itself, for a leave, has a higher revision than
the last request of the appointment: that difference is work under way until appointment-service has handled the event of the leave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.claims import ClaimFacts, find_claims
from careslot.auditor.findings import Finding, Key, differing_names
from careslot.auditor.sql_store import select_in
from careslot.auditor.stores import Stores
from scheduling_svc.repository.tables import CLAIMS, MERGED_PATIENTS, ClaimKind
from shared.contracts.identity import Service
from shared.contracts.values import format_instant

NO_TARGETS: Mapping[UUID, Collection[UUID]] = {}
MAX_MERGES = 100
"""The largest number of merges, one after the other, through which a patient is followed."""
SHORTEST_RETENTION = timedelta(days=365)
"""Appointments and claims are kept at least this long after their end. Then each service deletes its own."""


@dataclass(frozen=True, slots=True)
class ReservationCheck:
    """Compares appointments and claims by their common id."""

    name = "appointments have their time"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all appointments, then those of all live claims of appointments."""
        async for appointment_ids in stores.appointments.pages():
            yield [(str(appointment_id),) for appointment_id in appointment_ids]
        is_reservation = (CLAIMS.c.live.is_(True), CLAIMS.c.kind == ClaimKind.RESERVATION)
        async for claim_ids in stores.sql[Service.SCHEDULING].values(CLAIMS.c.id, *is_reservation):
            yield [(str(claim_id),) for claim_id in claim_ids]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the differences between these appointments and their claims."""
        ids = [UUID(key[0]) for key in keys]
        before = await stores.appointments.find(ids)
        async with stores.sql[Service.SCHEDULING].snapshot() as connection:
            claims = await find_claims(connection, ids)
            targets = await _read_merge_targets(connection, {appointment.patient_id for appointment in before.values()})
        after = await stores.appointments.find(ids)
        now = stores.now()
        judged = [judge_reservation(item, before.get(item), claims.get(item), after.get(item), now, targets) for item in ids]
        return [finding for finding in judged if finding is not None]


def judge_reservation(
    appointment_id: UUID,
    before: AppointmentFacts | None,
    claim: ClaimFacts | None,
    after: AppointmentFacts | None,
    now: datetime,
    targets: Mapping[UUID, Collection[UUID]] = NO_TARGETS,
) -> Finding | None:
    """Return what is wrong with an appointment and its claim, None if nothing is or if the appointment changed meanwhile.

    `targets` are the patients into whom each patient was merged, one after the other, as the calendar knows them.
    """
    key = (str(appointment_id),)
    if before is None or after is None:
        if before is after and claim is not None and claim.live and not _may_have_lost_its_appointment(claim, now):
            return Finding("claim_without_appointment", key, _ids(None, claim), (claim,))
        return None
    if before.edition != after.edition:
        return None
    if after.has_intent:
        return Finding("calendar_request_waits", key, _ids(after, claim), (after.intent_since,), since=after.intent_since)
    if not after.needs_claim:
        if claim is None or not claim.live:
            return None
        return Finding("claim_of_ended_appointment", key, _ids(after, claim), (after.edition, claim), since=claim.changed_at)
    is_kept = now - after.ends_at < SHORTEST_RETENTION
    return _judge_live(after, claim, targets) if claim is not None or is_kept else None


def _judge_live(appointment: AppointmentFacts, claim: ClaimFacts | None, targets: Mapping[UUID, Collection[UUID]]) -> Finding | None:
    """Return what is wrong with the claim of an appointment that needs time and has no request under way."""
    key = (str(appointment.id),)
    if claim is None:
        return Finding("appointment_without_claim", key, _ids(appointment, claim), (appointment.edition,))
    is_decision_of_calendar = claim.revision > appointment.revision
    since = claim.changed_at if is_decision_of_calendar else None
    if not claim.live:
        return Finding("appointment_without_claim", key, _ids(appointment, claim), (appointment.edition, claim), since=since)
    differing = _differing_fields(appointment, claim)
    if not differing:
        return None
    ids = _ids(appointment, claim) | {"differs": " ".join(differing)}
    if differing == ["patient"] and claim.patient_id in appointment.former_patient_ids:
        since = appointment.changed_at
    if differing == ["patient"] and claim.patient_id in targets.get(appointment.patient_id, ()):
        since = claim.changed_at  # the calendar follows a merge at once, the appointment a little later
    return Finding("claim_differs", key, ids, (appointment.edition, claim), since=since)


async def _read_merge_targets(connection: AsyncConnection, patient_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Return the patients into whom some patients were merged, one after the other."""
    targets = {patient_id: list[UUID]() for patient_id in patient_ids}
    current = {patient_id: patient_id for patient_id in targets}
    for _ in range(MAX_MERGES):
        rows = await select_in(connection, select(MERGED_PATIENTS.c.id, MERGED_PATIENTS.c.into_id), MERGED_PATIENTS.c.id, current.values())
        into = {row.id: row.into_id for row in rows}
        current = {patient_id: into[last] for patient_id, last in current.items() if last in into}
        for patient_id, target in current.items():
            targets[patient_id].append(target)
        if not current:
            break
    return targets


def _differing_fields(appointment: AppointmentFacts, claim: ClaimFacts) -> list[str]:
    """Return the names of the fields that differ, with `revision` if the claim has one that the appointment does not know."""
    pairs = {
        "doctor": (appointment.doctor_id, claim.doctor_id),
        "patient": (appointment.patient_id, claim.patient_id),
        "service": (appointment.service_id, claim.service_id),
        "start": (appointment.starts_at.replace(second=0, microsecond=0), claim.starts_at),
        "end": (appointment.ends_at.replace(second=0, microsecond=0), claim.ends_at),
        "revision": (True, claim.revision <= appointment.revision),
    }
    return differing_names(pairs)


def _may_have_lost_its_appointment(claim: ClaimFacts, now: datetime) -> bool:
    """Return whether the appointment may have been deleted because it was old."""
    return claim.archived and claim.ends_at is not None and now - claim.ends_at > SHORTEST_RETENTION


def _ids(appointment: AppointmentFacts | None, claim: ClaimFacts | None) -> dict[str, str]:
    ids = {"appointment": str(appointment.id if appointment else claim.id if claim else "")}
    if appointment is not None:
        ids |= {"status": appointment.status, "starts_at": format_instant(appointment.starts_at)}
    if claim is not None and claim.starts_at is not None:
        ids |= {"claimed_from": format_instant(claim.starts_at), "claimed_doctor": str(claim.doctor_id)}
    return ids
