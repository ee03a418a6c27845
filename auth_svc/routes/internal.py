"""The routes for other services."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from auth_svc.domain.accounts import Account
from auth_svc.domain.audit_heads import SignedAuditHead
from auth_svc.domain.refusals import AuditHeadDiffers, NoSuchAccount, PasswordTooWeak, TokenInvalid
from auth_svc.routes.identity import UseAccounts, UseCreation, UseSessions
from auth_svc.routes.oauth import UseSigning
from auth_svc.schemas import ExportedAccountOut, ResetTokenOut, RevokedSessionsOut, UpdateAccount
from auth_svc.usecases.accounts import ExportedAccount
from auth_svc.usecases.password_resets import PasswordResets
from auth_svc.usecases.sessions import RevokedSessions
from shared.contracts.audit import AuditHeadBody, AuditHeadSignature
from shared.contracts.contacts import AccountContacts, AccountSearch, ContactRequest, FoundAccounts
from shared.contracts.http import AccountContact, AccountSummary, CreateAccount
from shared.contracts.identity import Caller, Role, Service
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import EmailTaken, LastAdmin
from shared.contracts.texts import OneLineText
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.ended_sessions import MAX_PAGE_LENGTH
from shared.kit.paging import Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_next_link
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/internal", internal=True)
CreatingService = Annotated[Caller, Depends(require_services(Service.DOCTOR, Service.ADMIN))]
ReadingService = Annotated[Caller, Depends(require_services(Service.DOCTOR, Service.ADMIN, Service.NOTIFICATION))]
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]
ListingService = Annotated[Caller, Depends(require_services(Service.ADMIN, Service.NOTIFICATION))]
PatientService = Annotated[Caller, Depends(require_services(Service.PATIENT))]
SearchingService = Annotated[Caller, Depends(require_services(Service.PATIENT, Service.ADMIN))]
NotificationService = Annotated[Caller, Depends(require_services(Service.NOTIFICATION))]
AnyService = Annotated[Caller, Depends(require_services(*Service))]
UsePasswordResets = Annotated[PasswordResets, use_case(PasswordResets)]


@router.put("/accounts/{account_id}", response_model=AccountSummary, responses=refusals(EmailTaken, PasswordTooWeak, Unavailable))
async def create_account(
    account_id: UUID, body: CreateAccount, _caller: CreatingService, creation: UseCreation, response: Response
) -> Account:
    """Repeating the call returns the existing account."""
    return with_etag(response, await creation.create(account_id, body))


@router.get("/accounts", response_model=Page[AccountSummary])
async def list_accounts(
    _caller: ListingService,
    paging: Paged,
    accounts: UseAccounts,
    request: Request,
    response: Response,
    role: Role | None = None,
    status: Literal["invited", "active", "disabled"] | None = None,
    q: OneLineText | None = None,
) -> Page[Account]:
    rows = await accounts.list_accounts(role=role, status=status, text=q, limit=paging.limit + 1, after=paging.after)
    return with_next_link(request, response, paging.page(rows, lambda account: (account.email,)))


@router.get("/accounts/{account_id}", response_model=AccountContact, responses=refusals(NoSuchAccount))
async def get_account(account_id: UUID, _caller: ReadingService, accounts: UseAccounts, response: Response) -> Account:
    return with_etag(response, await accounts.get(account_id))


@router.get("/accounts/{account_id}/export", response_model=ExportedAccountOut, responses=refusals(NoSuchAccount))
async def export_account(account_id: UUID, _caller: PatientService, accounts: UseAccounts) -> ExportedAccount:
    """For the export that a patient asks patient-service for."""
    return await accounts.export(account_id)


@router.post("/contacts", response_model=AccountContacts)
async def list_contacts(body: ContactRequest, _caller: NotificationService, accounts: UseAccounts) -> AccountContacts:
    """The accounts that exist among the ids."""
    return await accounts.list_contacts(body.ids)


@router.post("/account-search", response_model=FoundAccounts)
async def search_accounts(body: AccountSearch, _caller: SearchingService, accounts: UseAccounts) -> FoundAccounts:
    """The accounts that have one of the addresses. The addresses are in the body, because paths are logged."""
    return await accounts.find_by_email(body.emails)


@router.patch("/accounts/{account_id}", response_model=AccountSummary, responses=refusals(NoSuchAccount, EmailTaken, LastAdmin))
async def change_account(
    account_id: UUID, body: UpdateAccount, _caller: AdminService, accounts: UseAccounts, response: Response
) -> Account:
    return with_etag(response, await accounts.update(account_id, body.changes, body.expected_version, body.change_id, by=body.by))


@router.post("/password-resets/{reset_id}/token", response_model=ResetTokenOut, responses=refusals(TokenInvalid))
async def get_reset_token(reset_id: UUID, _caller: NotificationService, resets: UsePasswordResets) -> ResetTokenOut:
    token, expires_at = await resets.get_token(reset_id)
    return ResetTokenOut(token=token, expires_at=expires_at)


@router.put("/audit-heads/{day}", response_model=AuditHeadSignature, responses=refusals(AuditHeadDiffers))
async def sign_audit_head(day: date, body: AuditHeadBody, _caller: AdminService, signing: UseSigning) -> SignedAuditHead:
    """Repeating the call returns the first signature."""
    return await signing.sign(day, body)


@router.get("/ended-sessions", response_model=RevokedSessionsOut)
async def list_ended_sessions(
    _caller: AnyService,
    sessions: UseSessions,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_LENGTH)] = MAX_PAGE_LENGTH,
) -> RevokedSessions:
    return await sessions.list_revoked(after, limit)
