"""Refusals of auth-service. EmailTaken and LastAdmin are in shared.contracts, because admin-service passes them on."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NotFound, TooMany, Unauthenticated, facts


class NoSuchAccount(NotFound):
    """Raised when an account does not exist."""

    code = "no_such_account"
    detail = "There is no such account."


class InvalidCredentials(Unauthenticated):
    """Raised when an email address and a password do not belong to an account that may sign in, or a service sent a wrong secret."""

    code = "invalid_credentials"
    detail = "The email address or the password is wrong."
    remedy = "Check address and password; `POST /auth/password/forgot` sends a link to set a new password."


class TooManyAttempts(TooMany):
    """Raised when too many wrong passwords were tried for an account, existing or not, or from an address.

    The fact `retry_after` is in seconds. The password was not verified.
    """

    code = "too_many_attempts"
    detail = "Too many wrong passwords were tried. Try again after the time in Retry-After, or choose a new password by mail."
    remedy = "Wait for the seconds in `Retry-After`, or choose a new password with a link from `POST /auth/password/forgot`."
    example_facts = facts(retry_after=60)


class InvalidRefreshToken(Unauthenticated):
    """Raised when a refresh token is unknown, or its session has ended or expired."""

    code = "invalid_refresh_token"
    detail = "The refresh token is not valid."
    remedy = "Sign in again."


class TokenReused(Unauthenticated):
    """Raised when a refresh token is used for the second time. Its session has been ended."""

    code = "token_reused"
    detail = "This refresh token was used before. Its session has been ended."
    remedy = "Sign in again. A refresh token is used once; if it was not you who used it, change the password."


class PasswordTooWeak(Invalid):
    """Raised when a new password is too short, too long or easy to guess. The fact `pointer` names the field."""

    code = "password_too_weak"
    detail = "A password has 12 to 128 characters and must not be a common one or the email address."
    remedy = "Choose a longer or less common password, for example four words."
    example_pointers = ("/password", "/new_password")


class TokenInvalid(Invalid):
    """Raised when a reset link is forged, expired, used, or replaced by a newer one."""

    code = "token_invalid"
    detail = "This link was used, has expired, or was replaced by a newer one."
    remedy = "Ask for a new link."
    example_pointers = ("/token",)


class NoSuchApiClient(NotFound):
    """Raised when an API client does not exist, or was deleted."""

    code = "no_such_api_client"
    detail = "There is no such API client."


class ExpiresInThePast(Invalid):
    """Raised when a new API client would have expired already. The fact `pointer` names the field."""

    code = "expires_in_the_past"
    detail = "The expiry must be in the future."
    remedy = "Send a later `expires_at`, or leave it out for a client that does not expire."
    example_pointers = ("/expires_at",)


class AuditHeadDiffers(Conflict):
    """Raised when another head of the audit trail was signed for this day."""

    code = "audit_head_differs"
    detail = "Another head of this day of the audit trail was signed before."
    remedy = "The audit trail has been changed since this day was signed. Compare the lines with a backup."
