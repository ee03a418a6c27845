"""A running scheduling-service whose doctor-service answers from two dicts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Engine, event

from shared.contracts.http import DoctorRules, ServiceTypeRules
from tests.running import RunningService, not_found_response, run_service
from tests.tokens import service_bearer
from tests.unit.scheduling.builders import a_wish

APPOINTMENTS = service_bearer("appointment-service")


@dataclass
class DoctorService:
    """Answers one rule, or a page of one at a time; `asked` are the paths; `down`: it does not answer."""

    doctors: list[DoctorRules] = field(default_factory=list)
    services: list[ServiceTypeRules] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    down: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("down")
        self.asked.append(request.url.path)
        _, _, kind, *rest = request.url.path.split("/")
        rules = [json.loads(rules.model_dump_json()) for rules in (self.doctors if kind == "doctors" else self.services)]
        if rest:
            return next((httpx.Response(200, json=one) for one in rules if one["id"] == rest[0]), not_found_response())
        at = int(request.url.params.get("after", 0))
        return httpx.Response(200, json={"items": rules[at : at + 1], "next": str(at + 1) if at + 1 < len(rules) else None})


@asynccontextmanager
async def a_clinic(folder: Path, neighbour: DoctorService, **settings: Any) -> AsyncIterator[RunningService]:
    async with run_service("scheduling_svc", folder, neighbour, **settings) as here:
        await here.run_until_idle()
        yield here


TABLES = ("claims", "seats", "doctors", "services", "offers")


@contextmanager
def questions() -> Iterator[list[str]]:
    """What databases are asked meanwhile of people, rules and time; what jobs ask is of other tables."""
    asked: list[str] = []

    def note(*args: Any) -> None:
        if any(f"FROM {table}" in args[2] for table in TABLES):
            asked.append(args[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def reserve(here: RunningService, appointment_id: int, **wish: Any) -> httpx.Response:
    body = a_wish(**wish).model_dump(mode="json")
    return await here.http.put(f"/internal/reservations/{UUID(int=appointment_id)}", json=body, headers=APPOINTMENTS)


async def release(here: RunningService, appointment_id: int, revision: int) -> httpx.Response:
    path = f"/internal/reservations/{UUID(int=appointment_id)}?revision={revision}"
    return await here.http.delete(path, headers=APPOINTMENTS)
