"""The joined OpenAPI document, fetched from the services and kept for a while when all of them answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway_svc.domain.document import Json, joined
from gateway_svc.domain.table import ROUTED
from gateway_svc.usecases.forwarding import Services
from shared.contracts.identity import Service

KEPT_SECONDS = 60.0
PATIENCE_SECONDS = 3.0


@dataclass(slots=True)
class Documents:
    """`own` gives the gateway's own document."""

    services: Services
    own: Callable[[], Json]
    monotonic: Callable[[], float] = time.monotonic
    _kept: tuple[float, bytes] = (0.0, b"")
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def public(self) -> bytes:
        """The document as JSON. A service that does not answer is left out, and then it is not kept."""
        async with self._turn:
            until, body = self._kept
            if body and self.monotonic() < until:
                return body
            found = await asyncio.gather(*(self._document_of(service) for service in ROUTED))
            documents = {service: document for service, document in zip(ROUTED, found, strict=True) if document is not None}
            body = json.dumps(joined({Service.GATEWAY: self.own()} | documents), separators=(",", ":")).encode()
            if len(documents) == len(ROUTED):
                self._kept = self.monotonic() + KEPT_SECONDS, body
            return body

    async def _document_of(self, service: Service) -> Json | None:
        body = await self.services.find(service, "/openapi.json", PATIENCE_SECONDS)
        try:
            document: Any = json.loads(body) if body else None
        except ValueError:
            return None
        return document if isinstance(document, dict) else None
