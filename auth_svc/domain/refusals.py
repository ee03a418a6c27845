"""Why auth-service refuses."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, Invalid, NotFound, Unauthenticated


class NoSuchAccount(NotFound):
    """There is no such account."""

    code = "no_such_account"
    detail = "There is no such account."


class EmailTaken(Conflict):
    """There is an account with this e-mail address."""

    code = "email_taken"
    detail = "There is an account with this e-mail address."


class LastAdmin(Conflict):
    """The last active admin must stay one."""

    code = "last_admin"
    detail = "The last active admin must stay one."


class InvalidCredentials(Unauthenticated):
    """E-mail address or password is wrong."""

    code = "invalid_credentials"
    detail = "E-mail address or password is wrong."


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is not valid."""

    code = "invalid_refresh_token"
    detail = "The refresh token is not valid."


class TokenReused(Unauthenticated):
    """This refresh token was used before: its session has ended."""

    code = "token_reused"
    detail = "This refresh token was used before: its session has ended."


class PasswordTooWeak(Invalid):
    """A password has 12 to 128 characters, is not a common one, and is not the e-mail address."""

    code = "password_too_weak"
    detail = "A password has 12 to 128 characters, is not a common one, and is not the e-mail address."


class TokenInvalid(Invalid):
    """This link was used, replaced by a newer one, or is too old."""

    code = "token_invalid"
    detail = "This link was used, replaced by a newer one, or is too old."
