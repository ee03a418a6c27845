"""The bodies of users."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from admin_svc.domain.users import NewUser
from shared.contracts.http import AccountStatus
from shared.contracts.identity import Role
from shared.contracts.texts import MultiLineText, OneLineText
from shared.contracts.values import Email, Instant, Locale, NewPassword, PatchModel, Phone, ReadModel, RequestModel, TimeZone

UserRole = TypeAliasType("UserRole", Literal["patient", "doctor", "reception", "admin"])
UserStatus = TypeAliasType("UserStatus", Literal["invited", "active", "disabled"])
Specialties = Annotated[list[OneLineText], Field(max_length=50)]
DOCTOR_FIELDS = {"title", "specialties", "languages", "bio", "location", "services", "accepting_patients"}


class CreateUser(RequestModel):
    """A new user. Without a password an invitation is mailed. The fields from `title` on are for doctors only."""

    email: Email
    role: UserRole
    full_name: OneLineText
    password: NewPassword | None = Field(default=None, repr=False)
    phone: Phone | None = None
    time_zone: TimeZone | None = Field(
        default=None, description="By default the clinic's. A doctor keeps it when the clinic changes its own."
    )
    locale: Locale | None = None
    title: OneLineText | None = None
    specialties: Specialties | None = None
    languages: Annotated[list[Locale], Field(max_length=50)] | None = None
    bio: MultiLineText | None = None
    location: OneLineText | None = None
    services: Annotated[list[UUID], Field(max_length=200)] | None = None
    accepting_patients: bool | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _refuse_doctor_fields_of_others(self) -> Self:
        names = sorted(self._doctor_fields)
        if names and Role(self.role) is not Role.DOCTOR:
            raise PydanticCustomError("not_a_doctor", "Only a doctor has these fields: {names}.", {"names": ", ".join(names)})
        return self

    @property
    def _doctor_fields(self) -> dict[str, Any]:
        return self.model_dump(mode="json", include=DOCTOR_FIELDS, exclude_none=True)

    def to_new_user(self, user_id: UUID) -> NewUser:
        """Return the user to create under an id, without the password."""
        return NewUser(
            id=user_id,
            email=self.email,
            role=Role(self.role),
            full_name=self.full_name,
            time_zone=self.time_zone,
            locale=self.locale,
            phone=self.phone,
            doctor=self._doctor_fields,
        )


class UpdateUser(PatchModel):
    """The fields of a user to change; those that are left out stay."""

    email: Email | None = None
    full_name: OneLineText | None = None
    role: UserRole | None = None
    status: Literal["active", "disabled"] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        return super().changes | ({"role": Role(self.role)} if self.role else {})


class UserOut(ReadModel):
    """A user. `pending`: the profile is still being created. `invited`: the user has not chosen a password yet."""

    id: UUID
    email: str
    full_name: str
    role: Role
    status: AccountStatus
    version: int


class FutureAppointmentOut(ReadModel):
    """An appointment that was requested or booked when its doctor or patient was disabled."""

    id: UUID
    starts_at: Instant


class DisabledUserOut(UserOut):
    """The disabled user with their future appointments, which are cancelled if the request asked for it and stay otherwise."""

    future_appointments: list[FutureAppointmentOut]
