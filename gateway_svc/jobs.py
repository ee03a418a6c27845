"""The periodic jobs of the gateway."""

from __future__ import annotations

from gateway_svc.usecases.upstream_services import UpstreamServices
from shared.kit.jobs import Jobs

REFRESH_ADDRESSES_SECONDS = 5.0


def schedule_jobs(jobs: Jobs, services: UpstreamServices) -> None:
    """Look up the instances of the services every 5 s."""
    jobs.add("refresh_addresses", services.refresh_addresses, every_seconds=REFRESH_ADDRESSES_SECONDS)
