"""Users over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from admin_svc.routes.relayed_pages import DEFAULT_LIMIT, After, Limit
from admin_svc.schemas import CreateUser, DisabledUserOut, UpdateUser, UserOut, UserRole, UserStatus
from admin_svc.usecases.create_user import UserCreation
from admin_svc.usecases.disable_user import DisabledUser, UserDisabling
from admin_svc.usecases.users import Users
from shared.contracts.http import AccountSummary
from shared.contracts.pages import Page
from shared.contracts.refusals import NotFound, Stale, Unavailable
from shared.contracts.relayed_refusals import EmailTaken, LastAdmin, NoSuchPatient
from shared.contracts.texts import OneLineText
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.change_ids import ChangeId
from shared.kit.idempotency import OperationId
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_location, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/users", tags=["Administration"])
UseUsers = Annotated[Users, use_case(Users)]
UseCreation = Annotated[UserCreation, use_case(UserCreation)]
UseDisabling = Annotated[UserDisabling, use_case(UserDisabling)]


async def read_filter(
    role: UserRole | None = None,
    status: UserStatus | None = None,
    q: Annotated[OneLineText | None, Query(description="Part of the email address or of the name.")] = None,
) -> dict[str, Any]:
    """Return the filters of the list of users."""
    return {"role": role, "status": status, "q": q}


UserFilter = Annotated[dict[str, Any], Depends(read_filter)]


@router.post(
    "",
    operation_id="enrol_user",
    response_model=UserOut,
    status_code=201,
    responses=refusals(EmailTaken, NoSuchPatient, Unavailable),
    summary="Create a user",
)
async def create_user(
    body: CreateUser, _caller: Admin, operation: OperationId, creation: UseCreation, response: Response
) -> AccountSummary:
    """Creates the account and the doctor's or patient's profile, or neither.

    After a 503 the user may still be created later, and is then invited by mail. Repeat the request with the same Idempotency-Key to
    find out."""
    user = await creation.create(body.to_new_user(operation.id), body.password)
    return with_location(response, user, f"/admin/users/{user.id}")


@router.get("", operation_id="list_users", response_model=Page[UserOut], summary="List users")
async def list_users(
    _caller: Admin,
    users: UseUsers,
    query: UserFilter,
    request: Request,
    response: Response,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[AccountSummary]:
    """By email address. Filters of different names must all match."""
    return with_next_link(request, response, await users.list_users(**query, limit=limit, after=after))


@router.get("/{user_id}", operation_id="get_user", response_model=UserOut, responses=refusals(NotFound), summary="Get a user")
async def get_user(user_id: UUID, _caller: Admin, users: UseUsers, response: Response) -> AccountSummary:
    """The account, whatever its role and status."""
    return with_etag(response, await users.get(user_id))


@router.patch(
    "/{user_id}",
    operation_id="amend_user",
    response_model=UserOut,
    responses=refusals(NotFound, Stale, EmailTaken, LastAdmin),
    summary="Change a user",
)
async def update_user(
    user_id: UUID,
    body: UpdateUser,
    caller: Admin,
    expected_version: RequireIfMatch,
    change: ChangeId,
    users: UseUsers,
    response: Response,
) -> AccountSummary:
    """A user who becomes a doctor or patient gets the profile. Sessions end with a new role, and when the user is disabled."""
    return with_etag(response, await users.update(user_id, body.changes, expected_version, change.id, by=caller))


@router.delete(
    "/{user_id}",
    operation_id="dismiss_user",
    response_model=DisabledUserOut,
    responses=refusals(NotFound, Stale, LastAdmin),
    summary="Disable a user",
)
async def disable_user(
    user_id: UUID,
    caller: Admin,
    expected_version: IfMatch,
    change: ChangeId,
    disabling: UseDisabling,
    response: Response,
    appointments: Literal["cancel"] | None = None,
) -> DisabledUser:
    """Ends the user's sessions and lists their future appointments, which are cancelled with `appointments=cancel` and stay otherwise."""
    cancel = appointments == "cancel"
    return with_etag(response, await disabling.disable(user_id, expected_version, change.id, cancel_appointments=cancel, by=caller))
