"""The request and response models of auth-service."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from auth_svc.domain.accounts import AccountStatus
from auth_svc.domain.api_clients import RegisteredApiClient
from shared.contracts.http import AccountSummary, CreateAccount
from shared.contracts.identity import Role, Scope
from shared.contracts.texts import OneLineText, SchemaKeywords
from shared.contracts.values import Email, Instant, Locale, PatchModel, Phone, ReadModel, RequestModel, TimeZone

EMAIL: TypeAdapter[str] = TypeAdapter(Email)


def normalize_email(text: str) -> str:
    """Return an email address in the form in which accounts have it, or any other text unchanged, which no account has."""
    try:
        return EMAIL.validate_python(text)
    except ValidationError:
        return text


CLINIC_DEFAULT = "By default the clinic's."
SECRET = SchemaKeywords(format="password")
Password = Annotated[str, SECRET, Field(min_length=1, max_length=1024, repr=False, examples=["a long enough pass phrase"])]
OpaqueToken = Annotated[str, SECRET, Field(min_length=1, max_length=512, repr=False, examples=["3q2-7wQbW0c1V9mXo8yT5ZkLrNfHsJdE"])]
LoginEmail = Annotated[
    str, SchemaKeywords(format="email"), Field(max_length=254, examples=["sam@example.com"]), AfterValidator(normalize_email)
]


class Register(RequestModel):
    """A new patient."""

    email: Email = Field(examples=["sam@example.com"])
    password: Password
    full_name: OneLineText = Field(examples=["Sam Lee"])
    phone: Phone | None = None
    time_zone: TimeZone | None = Field(default=None, description=CLINIC_DEFAULT)
    locale: Locale | None = Field(default=None, description=CLINIC_DEFAULT)

    def to_create_account(self) -> CreateAccount:
        """Return the request for a patient's account. Its fields have been validated, and its password may be longer than there."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        return CreateAccount.model_construct(**fields, role=Role.PATIENT)


class Login(RequestModel):
    """An email address and a password. A text that is no email address is treated as one without an account."""

    email: LoginEmail
    password: Password


class RefreshToken(RequestModel):
    """The refresh token of a session."""

    refresh_token: OpaqueToken


class ChangePassword(RequestModel):
    """The current and the new password of the caller."""

    current_password: Password
    new_password: Password = Field(examples=["another long pass phrase"])


class ForgotPassword(RequestModel):
    """The email address to which the link is sent, if it has an account."""

    email: Email = Field(examples=["sam@example.com"])


class ResetPassword(RequestModel):
    """The token of a mailed link, and the new password."""

    token: OpaqueToken
    new_password: Password


class SignedInOut(ReadModel):
    """The tokens of a session and the account. `expires_in` is the access token's lifetime in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str
    account: AccountSummary


class TokenOut(ReadModel):
    """The response of RFC 6749 section 5.1. `expires_in` is in seconds; services get no refresh token."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str | None = None
    scope: str | None = Field(default=None, description="What the token of an API client permits, separated by spaces.")


class RegisterApiClient(RequestModel):
    """A program that gets access tokens of its own. Without `expires_at` it does not expire."""

    name: OneLineText = Field(examples=["Hospital information system"])
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), examples=[["appointments:read", "webhooks:manage"]])
    expires_at: Instant | None = None


class ApiClientOut(ReadModel):
    """An API client. Its id is the `client_id` of the token endpoint."""

    id: UUID
    name: str
    scopes: list[Scope]
    created_at: Instant
    created_by: UUID = Field(description="The admin who registered it.")
    expires_at: Instant | None

    @field_validator("scopes", mode="before")
    @classmethod
    def _sort(cls, scopes: Any) -> Any:
        return sorted(scopes)


class RegisteredApiClientOut(ApiClientOut):
    """A new API client with its secret, which is not shown again."""

    secret: str = Field(repr=False, examples=["3q2-7wQbW0c1V9mXo8yT5ZkLrNfHsJdE3q2-7wQbW0c"])

    @classmethod
    def from_registered(cls, registered: RegisteredApiClient) -> Self:
        """Return the response to a registration."""
        shown = {name: getattr(registered.client, name) for name in ApiClientOut.model_fields}
        return cls(**shown, secret=registered.secret)


class TokenErrorOut(ReadModel):
    """The error response of RFC 6749 section 5.2."""

    error: str


class UpdateAccount(PatchModel):
    """The fields of an account to change; those that are left out stay. `expected_version` is the version that the caller read.

    `change_id` is the same for every try of one change, so that a repetition after a lost response does not make it twice.
    """

    nullable_fields: ClassVar = frozenset({"expected_version", "change_id"})

    email: Email | None = None
    full_name: OneLineText | None = None
    role: Literal[Role.PATIENT, Role.DOCTOR, Role.RECEPTION, Role.ADMIN] | None = None
    status: Literal[AccountStatus.ACTIVE, AccountStatus.DISABLED] | None = None
    expected_version: int | None = Field(default=None, ge=1)
    change_id: UUID | None = None

    @property
    def changes(self) -> dict[str, Any]:
        return {name: value for name, value in super().changes.items() if name not in self.nullable_fields}


class ResetTokenOut(ReadModel):
    """The token of a reset link."""

    token: str
    expires_at: Instant


class RevokedSessionOut(ReadModel):
    """An ended session; its access tokens are refused until `expires_at`, when all of them have expired."""

    session_id: UUID
    expires_at: Instant
    number: int


class RevokedSessionsOut(ReadModel):
    """A page of the sessions whose access tokens must be refused now, in the order of their numbers.

    `after` of the next page is the number of the last item. `last_number` is the highest number that any session ever had; when it is
    lower than a number that was seen before, the database was restored from a backup.
    """

    items: list[RevokedSessionOut]
    last_number: int


class JsonWebKeySet(ReadModel):
    """Public keys (RFC 7517): those that verify access tokens, or those that verify heads of the audit trail."""

    keys: list[dict[str, str]]


class OpenIdConfigurationOut(ReadModel):
    """The configuration of OpenID Connect Discovery 1.0 and RFC 8414; clients ignore members that they do not know."""

    model_config = ConfigDict(extra="allow")

    issuer: str = Field(examples=["https://clinic.example"])
    token_endpoint: str = Field(examples=["https://clinic.example/auth/token"])
    jwks_uri: str = Field(examples=["https://clinic.example/.well-known/jwks.json"])
    grant_types_supported: list[str] = Field(examples=[["password", "refresh_token", "client_credentials"]])
    token_endpoint_auth_methods_supported: list[str] = Field(examples=[["client_secret_basic", "client_secret_post", "none"]])
    scopes_supported: list[str] = Field(description="The scopes of API clients.", examples=[["appointments:read", "webhooks:manage"]])
    response_types_supported: list[str] = Field(examples=[["token"]])
    subject_types_supported: list[str] = Field(examples=[["public"]])
    id_token_signing_alg_values_supported: list[str] = Field(examples=[["RS256"]])


class ExportedAccountFields(ReadModel):
    """An account as its owner gets it in an export. The hash of the password is not in it."""

    id: UUID
    email: str
    full_name: str
    role: Role
    status: AccountStatus
    phone: str | None
    time_zone: str | None
    locale: str | None
    created_at: Instant


class ExportedSession(ReadModel):
    """A session of an account."""

    id: UUID
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    ended_at: Instant | None


class ExportedAccountOut(ReadModel):
    """`GET /internal/accounts/{id}/export`: the account and its sessions."""

    account: ExportedAccountFields
    sessions: list[ExportedSession]
