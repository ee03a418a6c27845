"""Synchronising appointments after a doctor's leave has moved or cancelled their reservations in the calendar."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from appointment_svc.ports import AppointmentStore, RowChanged
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Actor
from shared.contracts.refusals import Refusal, Unavailable
from shared.kit.retry import retry_on_abort

ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class LeaveFollower:
    """Reads the reservations of a leave from the calendar, and lets the appointments follow them.

    Events arrive late, twice and in any order. So an event only says which reservations have changed; its content is not applied.
    """

    store: AppointmentStore
    synchronizer: CalendarSynchronizer

    async def follow_leave(self, event: LeaveTaken) -> None:
        """Synchronise every appointment of the leave.

        If some cannot be synchronised now, the others still are, and then the first refusal is raised: the bus delivers the event again.
        """
        refusals = []
        for displaced in event.displaced:
            try:
                await self._synchronize(displaced.appointment_id, event.actor)
            except Refusal as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]

    @retry_on_abort
    async def _synchronize(self, appointment_id: UUID, actor: Actor) -> None:
        for _ in range(ATTEMPTS):
            appointment = await self.store.find(appointment_id)
            if appointment is None:
                return
            with suppress(RowChanged):
                appointment = await self.synchronizer.complete_before_change(appointment)
                await self.synchronizer.compare(appointment, actor, after_leave=True)
                return
        raise Unavailable("This appointment is changed too often at the moment.", retry_after=1)
