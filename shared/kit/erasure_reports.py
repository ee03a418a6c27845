"""Reporting to patient-service what a service has removed of an erased patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.erasures import ReportErasure
from shared.contracts.events import PatientErased
from shared.contracts.refusals import NotFound
from shared.kit.client import ServiceClient
from shared.kit.logs import log_event


@dataclass(frozen=True, slots=True)
class HttpErasureReports:
    """Implements ErasureReports."""

    client: ServiceClient

    async def send(self, event: PatientErased, removed: Mapping[str, int]) -> None:
        report = ReportErasure(pass_number=event.pass_number, removed=dict(removed))
        try:
            await self.client.call("POST", f"/internal/erasures/{event.erasure_id}/reports", body=report, is_repeatable=True)
        except NotFound:
            log_event("erasure_unknown", erasure_id=str(event.erasure_id))
