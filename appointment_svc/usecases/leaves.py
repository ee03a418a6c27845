"""Synchronising appointments after a doctor's leave has moved or cancelled their reservations in the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from appointment_svc.ports import AppointmentStore
from appointment_svc.usecases.row_changes import retry_on_row_changed
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Actor
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class LeaveFollower:
    """Reads the reservations of a leave from the calendar, and lets the appointments follow them.

    Events arrive late, twice and in any order. So an event only says which reservations have changed; its content is not applied.
    """

    store: AppointmentStore
    synchronizer: CalendarSynchronizer

    async def follow_leave(self, event: LeaveTaken) -> None:
        """Synchronise every appointment of the leave.

        If some cannot be synchronised now, the others still are, and then the first error is raised: the bus delivers the event again.
        """
        errors = []
        for displaced in event.displaced:
            try:
                await self._synchronize(displaced.appointment_id, event.actor)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    @retry_on_abort
    async def _synchronize(self, appointment_id: UUID, actor: Actor) -> None:
        async def synchronize_once() -> None:
            appointment = await self.store.find(appointment_id)
            if appointment is not None:
                appointment = await self.synchronizer.complete_before_change(appointment)
                await self.synchronizer.compare(appointment, actor, after_leave=True)

        await retry_on_row_changed(synchronize_once)
