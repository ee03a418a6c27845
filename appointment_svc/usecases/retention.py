"""Removing the texts of appointments, and later the appointments, that ended longer ago than the clinic keeps them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.recording import Change
from appointment_svc.ports import AgingAppointmentStore, RetentionProgress, RowChanged, StoredAppointment
from appointment_svc.usecases.reconcile import SYSTEM_ACTOR
from shared.contracts.refusals import Refusal
from shared.contracts.values import years_before
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.logs import log_event
from shared.kit.retry import retry_transaction

BATCH, DELETED_AT_ONCE = 100, 1000
LOOK_AGAIN_AFTER = timedelta(days=30)
"""After this time all old appointments are read again: some could not be changed, and some may have got a text since."""


@dataclass(frozen=True, slots=True)
class TextRetention:
    """Removes reason, intake form, cancellation reason and notes of appointments that ended more than `keep_years` years ago.

    Ids, times, states and the history of changes stay. The end and id of the last appointment are stored, so that a run reads only what has
    become too old since the last one, and goes on where a stopped process ended.
    """

    store: AgingAppointmentStore
    keep_years: Callable[[], int]
    now: Clock

    async def erase_old_texts(self) -> int:
        """Remove the texts of old appointments, and return how many appointments were read: BATCH while there may be others."""
        now = self.now()
        stored = await retry_transaction(self.store.find_retention_progress)
        progress = RetentionProgress(now) if stored is None or now - stored.began_at >= LOOK_AGAIN_AFTER else stored
        page = await self._list_ended(years_before(now, self.keep_years()), progress.last)
        erased = sum([await self._try_to_erase(appointment) for appointment in page])
        if erased:
            log_event("texts_erased", appointments=erased)
        reached = replace(progress, last=(page[-1].ends_at, page[-1].id)) if page else progress
        if reached != stored:
            await retry_transaction(partial(self.store.save_retention_progress, reached))
        return len(page)

    async def _list_ended(self, before: datetime, after: tuple[datetime, UUID] | None) -> Sequence[StoredAppointment]:
        return await retry_transaction(partial(self.store.list_ended, before, BATCH, after))

    async def _try_to_erase(self, stored: StoredAppointment) -> bool:
        """Remove the texts of one appointment; return whether it had some. A failure is logged and does not stop the others."""
        if not isinstance(stored, Appointment):
            return False
        try:
            erased = stored.erase_texts(Change(SYSTEM_ACTOR, self.now(), new_id(), event_id=new_id()))
            if erased == stored:
                return False
            await retry_transaction(partial(self.store.save_erased, erased))
        except (RowChanged, Refusal) as refusal:
            log_event("texts_not_erased", appointment=str(stored.id), reason=type(refusal).__name__)
            return False
        except Exception as error:
            log_event("appointment_job_failed", logging.ERROR, error=error, appointment=str(stored.id))
            return False
        return True


@dataclass(frozen=True, slots=True)
class AppointmentRetention:
    """Deletes appointments that ended more than `keep_years` years ago, with their links. Other services keep ids of them at most."""

    store: AgingAppointmentStore
    keep_years: Callable[[], int]
    now: Clock

    async def delete_old(self) -> int:
        """Delete about DELETED_AT_ONCE appointments in pages, those that ended first before others; return how many.

        A run that is stopped has deleted what it has deleted: the next one begins with what is left.
        """
        before, count = years_before(self.now(), self.keep_years()), 0
        after: tuple[datetime, UUID] | None = None
        while count < DELETED_AT_ONCE:
            page = await retry_transaction(partial(self.store.list_ended, before, BATCH, after))
            if page:
                count += await retry_transaction(partial(self.store.delete_ended, [stored.id for stored in page], before))
            if len(page) < BATCH:
                break
            after = page[-1].ends_at, page[-1].id
        if count:
            log_event("appointments_deleted", appointments=count)
        return count
