"""What counts as the address of a request's client.

The gateway removes a client's own `X-Forwarded-For` and writes one address into it. auth-service is reachable only through the gateway and
by the other services, so the header is trusted.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from auth_svc.domain.login_attempts import network_of
from shared.kit.requests import RequestDependency, ServiceRequest

FORWARDED_FOR = "x-forwarded-for"


class ClientNetworkDependency(RequestDependency):
    """A dependency that returns the client's IPv4 address or the /64 of its IPv6 address."""

    def resolve(self, request: ServiceRequest) -> str:
        return client_network(request)


def client_network(request: Request) -> str:
    """Return the client's IPv4 address or the /64 of its IPv6 address; that of the connection where the gateway named none."""
    connected_from = request.client.host if request.client else ""
    return network_of(request.headers.get(FORWARDED_FOR, connected_from))


def is_from_gateway(request: Request) -> bool:
    """Return True for a request from outside; a service that calls directly sends no `X-Forwarded-For`."""
    return FORWARDED_FOR in request.headers


ClientNetwork = Annotated[str, Depends(ClientNetworkDependency())]
