"""The gateway's own answers: the joined document, and who is up."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict

from gateway_svc.usecases.standing import State
from shared.contracts.identity import Service
from shared.contracts.values import ReadModel

router = APIRouter()


class StatusOut(ReadModel):
    """`degraded` while a service is down."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "up", "services": {"api-gateway": "up", "auth-service": "up"}}]})

    status: Literal["up", "degraded"]
    services: dict[Service, State]


@router.get("/status", tags=["Operations"], response_model=StatusOut, summary="Which services are up")
async def get_status(request: Request) -> StatusOut:
    services = await request.app.state.standing.of_all()
    return StatusOut(status="up" if set(services.values()) == {"up"} else "degraded", services=services)


@router.get("/openapi.json", include_in_schema=False)
async def get_openapi_document(request: Request) -> Response:
    body = await request.app.state.documents.public()
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-cache"})
