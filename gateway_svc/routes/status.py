"""The route that reports which services are up."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import ConfigDict

from gateway_svc.usecases.health import HealthState
from shared.contracts.identity import Service
from shared.contracts.values import ReadModel

router = APIRouter()


class StatusOut(ReadModel):
    """`status` is `degraded` while at least one service is down."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "up", "services": {"api-gateway": "up", "auth-service": "up"}}]})

    status: Literal["up", "degraded"]
    services: dict[Service, HealthState]


@router.get("/status", tags=["Operations"], response_model=StatusOut, summary="Which services are up")
async def get_status(request: Request) -> StatusOut:
    services = await request.app.state.health.check_all()
    return StatusOut(status="up" if set(services.values()) == {"up"} else "degraded", services=services)
