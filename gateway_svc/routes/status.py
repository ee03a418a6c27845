"""The route that reports which services are up."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import ConfigDict

from gateway_svc.usecases.health import HealthState, PlatformHealth
from shared.contracts.identity import Service
from shared.contracts.values import ReadModel
from shared.kit.use_cases import use_case

router = APIRouter()
Health = Annotated[PlatformHealth, use_case(PlatformHealth)]


class StatusOut(ReadModel):
    """`status` is `degraded` while at least one service is down."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "up", "services": {"api-gateway": "up", "auth-service": "up"}}]})

    status: Literal["up", "degraded"]
    services: dict[Service, HealthState]


@router.get("/status", tags=["Operations"], response_model=StatusOut, summary="Which services are up", operation_id="get_status")
async def get_status(health: Health) -> StatusOut:
    """`degraded` while at least one service is down."""
    services = await health.check_all()
    return StatusOut(status="up" if set(services.values()) == {"up"} else "degraded", services=services)
