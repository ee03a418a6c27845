"""Registration, signing in and out, and passwords over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from auth_svc.domain.accounts import Account
from auth_svc.domain.refusals import (
    InvalidCredentials,
    InvalidRefreshToken,
    NoSuchAccount,
    PasswordTooWeak,
    TokenInvalid,
    TokenReused,
    TooManyAttempts,
)
from auth_svc.routes.client_network import ClientNetwork
from auth_svc.schemas import ChangePassword, ForgotPassword, Login, RefreshToken, Register, ResetPassword, SignedInOut
from auth_svc.usecases.accounts import Accounts
from auth_svc.usecases.create_account import AccountCreation
from auth_svc.usecases.passwords import Passwords
from auth_svc.usecases.sessions import Sessions, SignedIn
from shared.contracts.http import AccountSummary
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import EmailTaken
from shared.kit import access, routes
from shared.kit.problems import refusals
from shared.kit.response_headers import forbid_storing, with_etag
from shared.kit.use_cases import use_case

UseAccounts = Annotated[Accounts, use_case(Accounts)]
UseCreation = Annotated[AccountCreation, use_case(AccountCreation)]
UsePasswords = Annotated[Passwords, use_case(Passwords)]
UseSessions = Annotated[Sessions, use_case(Sessions)]


router = routes.service_router(prefix="/auth", tags=["Identity"])
CarriesTokens = Depends(forbid_storing)


@router.post(
    "/register",
    operation_id="register",
    response_model=SignedInOut,
    status_code=201,
    responses=refusals(EmailTaken, PasswordTooWeak, TooManyAttempts, Unavailable),
    summary="Register as a patient",
    dependencies=[CarriesTokens],
)
async def register(body: Register, creation: UseCreation, sessions: UseSessions, network: ClientNetwork) -> SignedIn:
    """The account and the patient's profile exist when the response arrives."""
    return await sessions.start(await creation.register(body.to_create_account(), network), network)


@router.post(
    "/login",
    operation_id="login",
    response_model=SignedInOut,
    responses=refusals(InvalidCredentials, TooManyAttempts, Unavailable),
    summary="Sign in",
    dependencies=[CarriesTokens],
)
async def login(body: Login, sessions: UseSessions, network: ClientNetwork) -> SignedIn:
    """Starts a session. The answer is the same for a wrong password and for an address without an account.

    After 10 wrong passwords for an account, or 50 from one address, within 15 minutes, each further attempt has to wait: 30 seconds at
    first, 15 minutes at most. A new password by mail ends the delay of an account."""
    return await sessions.login(body.email, body.password, network)


@router.post(
    "/refresh",
    operation_id="refresh",
    response_model=SignedInOut,
    responses=refusals(InvalidRefreshToken, TokenReused),
    summary="Get new tokens",
    dependencies=[CarriesTokens],
)
async def refresh(body: RefreshToken, sessions: UseSessions, network: ClientNetwork) -> SignedIn:
    """The given refresh token no longer works; using it a second time ends the session."""
    return await sessions.refresh(body.refresh_token, network)


@router.post("/logout", operation_id="logout", status_code=204, summary="Sign out of one device")
async def logout(body: RefreshToken, sessions: UseSessions) -> None:
    """Ends the session of the refresh token. A token that is not valid is no fault."""
    await sessions.logout(body.refresh_token)


@router.post("/logout-all", operation_id="logout_all", status_code=204, summary="Sign out of all devices")
async def logout_all(caller: access.Account, sessions: UseSessions) -> None:
    """End every session of the account, the current one included."""
    await sessions.logout_all(caller)


@router.get("/me", operation_id="get_me", response_model=AccountSummary, responses=refusals(NoSuchAccount), summary="Get your own account")
async def get_me(caller: access.Account, accounts: UseAccounts, response: Response) -> Account:
    """The account of the access token."""
    return with_etag(response, await accounts.get(caller.id))


@router.post(
    "/password",
    operation_id="change_password",
    status_code=204,
    responses=refusals(InvalidCredentials, PasswordTooWeak, TooManyAttempts, Unavailable),
    summary="Change your password",
)
async def change_password(body: ChangePassword, caller: access.Account, passwords: UsePasswords, network: ClientNetwork) -> None:
    """All your other sessions end. A wrong current password counts as a failed login."""
    await passwords.change(caller, body.current_password, body.new_password, network)


@router.post("/password/forgot", operation_id="forgot_password", status_code=202, summary="Request a link to choose a new password")
async def forgot_password(body: ForgotPassword, passwords: UsePasswords) -> None:
    """The response is the same whether or not the address has an account."""
    await passwords.request_reset(body.email)


@router.post(
    "/password/reset",
    operation_id="reset_password",
    status_code=204,
    responses=refusals(TokenInvalid, PasswordTooWeak, Unavailable),
    summary="Choose a password with a mailed link",
)
async def reset_password(body: ResetPassword, passwords: UsePasswords) -> None:
    """Works for forgotten passwords and for invitations. All sessions end, and so does a delay after too many wrong passwords."""
    await passwords.reset(body.token, body.new_password)
