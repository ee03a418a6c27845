"""What neighbours ask auth-service."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query

from auth_svc.domain.accounts import Account
from auth_svc.domain.refusals import EmailTaken, LastAdmin, NoSuchAccount, PasswordTooWeak, TokenInvalid
from auth_svc.routes.identity import UseAccounts, UseSessions
from auth_svc.schemas import AmendAccount, EndedSessionOut, EndedSessionsOut, ResetTokenOut
from auth_svc.usecases.resets import Resets
from shared.contracts.http import AccountSummary, CreateAccount
from shared.contracts.identity import Caller, Role, Service
from shared.contracts.refusals import Unavailable
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.paging import Page, Paged
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/internal", internal=True)
Makers = Annotated[Caller, Depends(require_services(Service.DOCTOR, Service.ADMIN))]
Readers = Annotated[Caller, Depends(require_services(Service.DOCTOR, Service.ADMIN, Service.NOTIFICATION))]
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]
Notification = Annotated[Caller, Depends(require_services(Service.NOTIFICATION))]
EveryService = Annotated[Caller, Depends(require_services(*Service))]


@router.put("/accounts/{account_id}", response_model=AccountSummary, responses=refusals(EmailTaken, PasswordTooWeak, Unavailable))
async def put_account(account_id: UUID, body: CreateAccount, _caller: Makers, accounts: UseAccounts) -> Account:
    return await accounts.put(account_id, body)


@router.get("/accounts", response_model=Page[AccountSummary])
async def list_accounts(
    _caller: AdminService,
    paging: Paged,
    accounts: UseAccounts,
    role: Role | None = None,
    status: Literal["invited", "active", "disabled"] | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[Account]:
    rows = await accounts.store.accounts(role=role, status=status, text=q, limit=paging.limit + 1, after=paging.after)
    return paging.page(rows, lambda account: (account.email,))


@router.get("/accounts/{account_id}", response_model=AccountSummary, responses=refusals(NoSuchAccount))
async def get_account(account_id: UUID, _caller: Readers, accounts: UseAccounts) -> Account:
    return await accounts.store.account(account_id)


@router.patch("/accounts/{account_id}", response_model=AccountSummary, responses=refusals(NoSuchAccount, EmailTaken, LastAdmin))
async def amend_account(account_id: UUID, body: AmendAccount, _caller: AdminService, accounts: UseAccounts) -> Account:
    return await accounts.amend(account_id, body.expected_version, **body.changes)


@router.post("/password-resets/{reset_id}/token", response_model=ResetTokenOut, responses=refusals(TokenInvalid))
async def reset_token(reset_id: UUID, _caller: Notification, resets: Annotated[Resets, use_case(Resets)]) -> ResetTokenOut:
    token, expires_at = await resets.token(reset_id)
    return ResetTokenOut(token=token, expires_at=expires_at)


@router.get("/ended-sessions", response_model=EndedSessionsOut)
async def ended_sessions(_caller: EveryService, sessions: UseSessions) -> EndedSessionsOut:
    ended = await sessions.ended()
    return EndedSessionsOut(items=[EndedSessionOut(session_id=one.id, expires_at=sessions.expires_at(one)) for one in ended])
