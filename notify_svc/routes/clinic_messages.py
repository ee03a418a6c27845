"""Messages that staff write to patients, for admin-service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from notify_svc.usecases.enqueue import MessageQueue
from shared.contracts.http import SendClinicMessage
from shared.contracts.identity import Caller, Service
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/internal/clinic-messages", internal=True)
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]
UseQueue = Annotated[MessageQueue, use_case(MessageQueue)]


@router.put("/{message_id}", status_code=204, summary="Send a message to a patient")
async def send_clinic_message(message_id: UUID, body: SendClinicMessage, _caller: AdminService, queue: UseQueue) -> None:
    return await queue.enqueue_clinic_message(message_id, body.patient_id, body.text)
