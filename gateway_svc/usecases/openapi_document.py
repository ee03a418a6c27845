"""The public OpenAPI document, built from the documents of the services."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway_svc.domain.openapi_merge import Json, merged_document
from gateway_svc.domain.routing_table import ROUTED_SERVICES
from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.contracts.identity import Service

CACHE_SECONDS = 60.0
FETCH_TIMEOUT_SECONDS = 3.0


@dataclass(slots=True)
class OpenApiDocument:
    """Fetches and merges the documents, and caches the result. `own_document` returns the document of the gateway's own routes."""

    services: UpstreamServices
    own_document: Callable[[], Json]
    public_url: str
    monotonic: Callable[[], float] = time.monotonic
    _cached: bytes = b""
    _cached_until: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self) -> bytes:
        """Return the document as JSON.

        A service that does not answer is left out, and such an incomplete document is not cached.
        """
        async with self._lock:
            if self._cached and self.monotonic() < self._cached_until:
                return self._cached
            fetched = await asyncio.gather(*(self._fetch_document(service) for service in ROUTED_SERVICES))
            documents = {service: document for service, document in zip(ROUTED_SERVICES, fetched, strict=True) if document is not None}
            merged = merged_document({Service.GATEWAY: self.own_document()} | documents, self.public_url)
            body = json.dumps(merged, separators=(",", ":")).encode()
            if len(documents) == len(ROUTED_SERVICES):
                self._cached, self._cached_until = body, self.monotonic() + CACHE_SECONDS
            return body

    async def _fetch_document(self, service: Service) -> Json | None:
        body = await self.services.try_get(service, "/openapi.json", FETCH_TIMEOUT_SECONDS)
        try:
            document: Any = json.loads(body) if body else None
        except ValueError:
            return None
        return document if isinstance(document, dict) else None
