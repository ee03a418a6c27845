"""Users over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from admin_svc.domain import EmailTaken, LastAdmin
from admin_svc.ports import Dismissed
from admin_svc.routes.pages import After, Limit, as_page
from admin_svc.schemas import AmendUser, DismissedOut, EnrolUser, Status, UserOut, UserRole
from admin_svc.usecases.dismissal import Dismissal
from admin_svc.usecases.enrolment import Enrolment
from admin_svc.usecases.users import Users
from shared.contracts.http import AccountSummary
from shared.contracts.refusals import NotFound, Stale, Unavailable
from shared.kit import routes
from shared.kit.access import Admin
from shared.kit.idempotency import OperationId
from shared.kit.paging import Page
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/users", tags=["Administration"])


UseCases = Annotated[Users, use_case(Users)]
Enrolling = Annotated[Enrolment, use_case(Enrolment)]
Dismissing = Annotated[Dismissal, use_case(Dismissal)]
Search = Annotated[str | None, Query(max_length=200, description="Part of the e-mail address or of the name.")]


@router.post(
    "", response_model=UserOut, status_code=201, responses=refusals(EmailTaken, Unavailable), summary="Make a user and their profile"
)
async def enrol_user(body: EnrolUser, _caller: Admin, once: OperationId, enrolment: Enrolling) -> AccountSummary:
    """The account and its doctor's or patient's profile, or neither.

    After a 503 the user may still be made, and invited by mail; a repeat with the same Idempotency-Key tells."""
    return await enrolment.enrol(body.user(once.id), body.password)


@router.get("", response_model=Page[UserOut], summary="Users")
async def list_users(
    _caller: Admin,
    users: UseCases,
    role: UserRole | None = None,
    status: Status | None = None,
    q: Search = None,
    limit: Limit = 25,
    after: After = None,
) -> Page[AccountSummary]:
    return as_page(await users.browse(role=role, status=status, q=q, limit=limit, after=after))


@router.get("/{user_id}", response_model=UserOut, responses=refusals(NotFound), summary="One user")
async def get_user(user_id: UUID, _caller: Admin, users: UseCases) -> AccountSummary:
    return await users.find(user_id)


@router.patch("/{user_id}", response_model=UserOut, responses=refusals(NotFound, Stale, EmailTaken, LastAdmin), summary="Change a user")
async def amend_user(user_id: UUID, body: AmendUser, _caller: Admin, expected: RequireIfMatch, users: UseCases) -> AccountSummary:
    """A new role makes sure of its profile. Sessions end with a new role, and when the user is disabled."""
    return await users.amend(user_id, body.changes, expected)


@router.delete("/{user_id}", response_model=DismissedOut, responses=refusals(NotFound, Stale, LastAdmin), summary="Disable a user")
async def dismiss_user(
    user_id: UUID, caller: Admin, expected: IfMatch, dismissal: Dismissing, appointments: Literal["cancel"] | None = None
) -> Dismissed:
    """Ends their sessions and tells what was still to come; `appointments=cancel` calls it off, otherwise it stands."""
    return await dismissal.dismiss(user_id, expected, cancelling=appointments == "cancel", by=caller)
