"""The booking history of patients equals a recount of the appointments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from careslot.auditor.appointment_store import AppointmentFacts
from careslot.auditor.checks.read_models import HandledEvents, is_settled, read_handled
from careslot.auditor.checks.reservations import SHORTEST_RETENTION
from careslot.auditor.findings import Finding, Key, differing_names
from careslot.auditor.stores import Stores
from patient_svc.repository.tables import ERASURES, MERGES, VISITS
from shared.contracts.identity import Service
from shared.contracts.values import format_instant


@dataclass(frozen=True, slots=True)
class HistoryCheck:
    """Compares the visits of patient-service with the appointments."""

    name = "booking histories are right"

    async def pages(self, stores: Stores) -> AsyncIterator[Sequence[Key]]:
        """Yield the ids of all appointments, then those of all visits."""
        async for page in stores.appointments.pages():
            yield [(str(appointment_id),) for appointment_id in page]
        async for visits in stores.sql[Service.PATIENT].values(VISITS.c.appointment_id):
            yield [(str(appointment_id),) for appointment_id in visits]

    async def examine(self, stores: Stores, keys: Sequence[Key]) -> list[Finding]:
        """Return the visits that differ from their appointments."""
        ids = list({UUID(key[0]) for key in keys})
        before = await stores.appointments.find(ids)
        async with stores.sql[Service.PATIENT].snapshot() as connection:
            rows = {row.appointment_id: row for row in await connection.execute(select(VISITS).where(VISITS.c.appointment_id.in_(ids)))}
            handled = await read_handled(stores, Service.PATIENT, connection, before.values())
            replaced = await list_merged_or_erased(connection, {appointment.patient_id for appointment in before.values()})
        after = await stores.appointments.find(ids)
        now, findings = stores.now(), list[Finding]()
        for appointment_id in ids:
            earlier, later, row = before.get(appointment_id), after.get(appointment_id), rows.get(appointment_id)
            if earlier is None and later is None and row is not None:
                findings += _judge_lone_visit(row, now)
            elif earlier is not None and later is not None and is_settled(earlier, later):
                findings += judge_visit(later, row, handled, may_patient_differ=later.patient_id in replaced, now=now)
        return findings


async def list_merged_or_erased(connection: AsyncConnection, patient_ids: Collection[UUID]) -> set[UUID]:
    """Return the patients who were merged or erased. Their appointments follow later, or never if the target of a merge was erased."""
    if not patient_ids:
        return set()
    merged = await connection.scalars(select(MERGES.c.patient_id).where(MERGES.c.patient_id.in_(patient_ids)))
    erased = await connection.scalars(select(ERASURES.c.patient_id).where(ERASURES.c.patient_id.in_(patient_ids)))
    return {*merged, *erased}


def judge_visit(
    appointment: AppointmentFacts, row: Any, handled: HandledEvents, *, may_patient_differ: bool, now: datetime
) -> list[Finding]:
    """Return the finding of a visit that is missing or differs from its appointment, or no finding.

    `may_patient_differ`: the patient of the appointment was merged or erased, so that the visit may have another one.
    """
    if not appointment.is_announced or not handled.include_all_of(appointment):
        return []
    key, ids = (str(appointment.id),), {"appointment": str(appointment.id), "starts_at": format_instant(appointment.starts_at)}
    if row is None:
        is_kept = now - appointment.ends_at < SHORTEST_RETENTION
        return [Finding("visit_missing", key, ids, (appointment.edition,))] if is_kept else []
    if row.status is None:
        return []  # written by a release that recorded less; a rebuild completes it
    pairs = {
        "status": (appointment.status, row.status),
        "patient": (appointment.patient_id, row.patient_id),
        "doctor": (appointment.doctor_id, row.doctor_id),
        "service": (appointment.service_id, row.service_id),
        "start": (format_instant(appointment.starts_at), format_instant(row.starts_at)),
        "end": (format_instant(appointment.ends_at), format_instant(row.ends_at)),
    }
    differing = differing_names(pairs, ignored=("patient",) if may_patient_differ else ())
    if not differing:
        return []
    shown = tuple(actual for _, actual in pairs.values())
    return [Finding("visit_differs", key, ids | {"differs": " ".join(differing)}, (appointment.edition, *shown))]


def _judge_lone_visit(row: Any, now: datetime) -> list[Finding]:
    """Return the finding of a visit without an appointment, or no finding if the visit is so old that the appointment may be deleted."""
    if row.ends_at is None or now - row.ends_at > SHORTEST_RETENTION:
        return []
    ids = {"appointment": str(row.appointment_id), "patient": str(row.patient_id)}
    return [Finding("visit_without_appointment", (str(row.appointment_id),), ids)]
