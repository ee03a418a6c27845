"""API clients over HTTP, for admins."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from auth_svc.domain.api_clients import ApiClient
from auth_svc.domain.refusals import ExpiresInThePast, NoSuchApiClient
from auth_svc.schemas import ApiClientOut, RegisterApiClient, RegisteredApiClientOut
from auth_svc.usecases.api_clients import ApiClients
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.idempotency import OperationId
from shared.kit.paging import Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import forbid_storing, mark_replayed, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/auth/clients", tags=["Identity"])
UseApiClients = Annotated[ApiClients, use_case(ApiClients)]


@router.post(
    "",
    operation_id="register_api_client",
    response_model=RegisteredApiClientOut,
    status_code=201,
    responses=refusals(ExpiresInThePast),
    summary="Register an API client",
    dependencies=[Depends(forbid_storing)],
)
async def register_api_client(
    body: RegisterApiClient, caller: Admin, operation: OperationId, clients: UseApiClients, response: Response
) -> RegisteredApiClientOut:
    """The secret is shown once. With id and secret the client gets access tokens from `POST /auth/token` (grant `client_credentials`).

    A request that is repeated with its `Idempotency-Key` gets the first answer again, with the same secret. A client that was deleted stays
    deleted.
    """
    registered = await clients.register(operation.id, body.name, frozenset(body.scopes), body.expires_at, by=caller)
    response.headers["Location"] = f"/auth/clients/{registered.client.id}"
    if registered.is_repeated:
        mark_replayed(response)
    return RegisteredApiClientOut.from_registered(registered)


@router.get("", operation_id="list_api_clients", response_model=Page[ApiClientOut], summary="List the API clients")
async def list_api_clients(_caller: Admin, clients: UseApiClients, paging: Paged, request: Request, response: Response) -> Page[ApiClient]:
    """In the order of their registration, expired ones too."""
    listed = await clients.list_clients(paging.limit + 1, paging.after)
    return with_next_link(request, response, paging.page(listed, lambda client: (client.created_at.isoformat(), client.id)))


@router.get(
    "/{client_id}",
    operation_id="get_api_client",
    response_model=ApiClientOut,
    responses=refusals(NoSuchApiClient),
    summary="Get an API client",
)
async def get_api_client(client_id: UUID, _caller: Admin, clients: UseApiClients) -> ApiClient:
    """Name, scopes and expiry; the secret is stored as a digest only."""
    return await clients.get(client_id)


@router.delete(
    "/{client_id}",
    operation_id="delete_api_client",
    status_code=204,
    responses=refusals(NoSuchApiClient),
    summary="Delete an API client",
)
async def delete_api_client(client_id: UUID, caller: Admin, clients: UseApiClients) -> None:
    """Its secret stops working at once, and its access tokens within five seconds."""
    await clients.delete(client_id, by=caller)
