"""Registering, signing in and out, and passwords over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from auth_svc.domain.accounts import Account as AccountState
from auth_svc.domain.refusals import (
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    NoSuchAccount,
    PasswordTooWeak,
    TokenInvalid,
    TokenReused,
)
from auth_svc.schemas import ChangePassword, ForgotPassword, Login, Refresh, Register, ResetPassword, SignedInOut
from auth_svc.usecases.accounts import Accounts
from auth_svc.usecases.passwords import Passwords
from auth_svc.usecases.sessions import Sessions, SignedIn
from shared.contracts.http import AccountSummary
from shared.contracts.refusals import Unavailable
from shared.kit import routes
from shared.kit.access import Account
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case


def _never_stored(response: Response) -> None:
    """Answers with tokens in them (RFC 6749 section 5.1)."""
    response.headers["Cache-Control"] = "no-store"


router = routes.service_router(prefix="/auth", tags=["Identity"])
HoldsTokens = Depends(_never_stored)


UseAccounts = Annotated[Accounts, use_case(Accounts)]
UseSessions = Annotated[Sessions, use_case(Sessions)]
UsePasswords = Annotated[Passwords, use_case(Passwords)]


@router.post(
    "/register",
    response_model=SignedInOut,
    status_code=201,
    responses=refusals(EmailTaken, PasswordTooWeak, Unavailable),
    summary="Register as a patient",
    dependencies=[HoldsTokens],
)
async def register(body: Register, accounts: UseAccounts, sessions: UseSessions) -> SignedIn:
    """The account and its profile are there when the answer comes."""
    return await sessions.start(await accounts.register(body.wish))


@router.post(
    "/login", response_model=SignedInOut, responses=refusals(InvalidCredentials, Unavailable), summary="Sign in", dependencies=[HoldsTokens]
)
async def login(body: Login, sessions: UseSessions) -> SignedIn:
    return await sessions.login(body.email, body.password)


@router.post(
    "/refresh",
    response_model=SignedInOut,
    responses=refusals(InvalidRefreshToken, TokenReused),
    summary="A new pair of tokens",
    dependencies=[HoldsTokens],
)
async def refresh(body: Refresh, sessions: UseSessions) -> SignedIn:
    """The old refresh token dies; one that is used twice ends its session."""
    return await sessions.refresh(body.refresh_token)


@router.post("/logout", status_code=204, summary="Sign out of one device")
async def logout(body: Refresh, sessions: UseSessions) -> None:
    await sessions.logout(body.refresh_token)


@router.post("/logout-all", status_code=204, summary="Sign out everywhere")
async def logout_all(caller: Account, sessions: UseSessions) -> None:
    await sessions.logout_all(caller)


@router.get("/me", response_model=AccountSummary, responses=refusals(NoSuchAccount), summary="One's own account")
async def get_me(caller: Account, accounts: UseAccounts) -> AccountState:
    return await accounts.store.account(caller.id)


@router.post("/password", status_code=204, responses=refusals(InvalidCredentials, PasswordTooWeak), summary="Change one's password")
async def change_password(body: ChangePassword, caller: Account, passwords: UsePasswords) -> None:
    """All other sessions end."""
    await passwords.change(caller, body.current_password, body.new_password)


@router.post("/password/forgot", status_code=202, summary="Ask for a link to a new password")
async def forgot_password(body: ForgotPassword, passwords: UsePasswords) -> None:
    """The answer is the same whether or not there is such an account."""
    await passwords.forgot(body.email)


@router.post("/password/reset", status_code=204, responses=refusals(TokenInvalid, PasswordTooWeak), summary="Choose a password by a link")
async def reset_password(body: ResetPassword, passwords: UsePasswords) -> None:
    """For forgotten passwords and for invitations; all sessions end."""
    await passwords.reset(body.token, body.new_password)
