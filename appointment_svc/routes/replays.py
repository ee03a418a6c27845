"""What is checked before a stored answer to a repeated request is sent again: guardians and doctors may have lost the right to see it."""

from __future__ import annotations

from uuid import UUID

from fastapi import Depends

from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.queries import AppointmentQueries
from shared.contracts.identity import Caller
from shared.kit.access import parse_uuid
from shared.kit.replay_checks import ReplayCheck
from shared.kit.requests import ServiceRequest


async def _check_booking(request: ServiceRequest, caller: Caller, appointment_id: UUID) -> None:
    booking: Booking = request.app.state.use_cases[Booking]
    await booking.check_repeated(parse_uuid(str(request.parsed_body.get("patient_id"))), caller, appointment_id)


async def _check_action(request: ServiceRequest, caller: Caller, _operation_id: UUID) -> None:
    queries: AppointmentQueries = request.app.state.use_cases[AppointmentQueries]
    await queries.get(caller, UUID(request.path_params["appointment_id"]))


BOOKING_REPLAY = [Depends(ReplayCheck(_check_booking))]
ACTION_REPLAY = [Depends(ReplayCheck(_check_action))]
