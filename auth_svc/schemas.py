"""The request and response models of auth-service."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from auth_svc.domain.accounts import Status
from shared.contracts.http import AccountSummary, CreateAccount
from shared.contracts.identity import Role
from shared.contracts.values import Email, Instant, Locale, PatchModel, Phone, ReadModel, RequestModel, ShortText, TimeZone

Password = Annotated[str, Field(min_length=1, max_length=1024, repr=False, examples=["a long enough pass phrase"])]
Token = Annotated[str, Field(min_length=1, max_length=512, repr=False, examples=["3q2-7wQbW0c1V9mXo8yT5ZkLrNfHsJdE"])]


EMAIL: TypeAdapter[str] = TypeAdapter(Email)


def address(given: str) -> str:
    """A sign-in name as accounts have it; what is no address stays as it is, and is nobody's."""
    try:
        return EMAIL.validate_python(given)
    except ValidationError:
        return given


class Register(RequestModel):
    """A new patient."""

    email: Email = Field(examples=["sam@example.com"])
    password: Password
    full_name: ShortText = Field(examples=["Sam Lee"])
    phone: Phone | None = None
    time_zone: TimeZone = "UTC"
    locale: Locale = "en"

    @property
    def wish(self) -> CreateAccount:
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        return CreateAccount.model_construct(**fields, role=Role.PATIENT)


class Login(RequestModel):
    email: Annotated[str, Field(max_length=254, examples=["sam@example.com"]), AfterValidator(address)]
    password: Password


class Refresh(RequestModel):
    refresh_token: Token


class ChangePassword(RequestModel):
    current_password: Password
    new_password: Password = Field(examples=["another long pass phrase"])


class ForgotPassword(RequestModel):
    email: Email = Field(examples=["sam@example.com"])


class ResetPassword(RequestModel):
    token: Token
    new_password: Password


class SignedInOut(ReadModel):
    """Answer of register, login and refresh; `expires_in` in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str
    account: AccountSummary


class TokenOut(ReadModel):
    """RFC 6749 section 5.1."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str | None = None


class TokenRefusal(ReadModel):
    """RFC 6749 section 5.2."""

    error: str


class AmendAccount(PatchModel):
    """`PATCH /internal/accounts/{id}`."""

    nullable_fields: ClassVar = frozenset({"expected_version"})

    email: Email | None = None
    full_name: ShortText | None = None
    role: Literal[Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.ADMIN] | None = None
    status: Literal[Status.ACTIVE, Status.DISABLED] | None = None
    expected_version: int | None = Field(default=None, ge=1)

    @property
    def changes(self) -> dict[str, Any]:
        return {name: value for name, value in super().changes.items() if name != "expected_version"}


class ResetTokenOut(ReadModel):
    token: str
    expires_at: Instant


class EndedSessionOut(ReadModel):
    session_id: UUID
    expires_at: Instant


class EndedSessionsOut(ReadModel):
    items: list[EndedSessionOut]


class KeySet(ReadModel):
    """RFC 7517."""

    keys: list[dict[str, str]]
