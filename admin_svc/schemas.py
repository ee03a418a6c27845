"""The request and response models of admin-service."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from admin_svc.domain import NewUser
from shared.contracts.identity import Role
from shared.contracts.values import Email, Instant, Locale, LongText, PatchModel, Phone, ReadModel, RequestModel, ShortText, TimeZone

UserRole = Literal["patient", "doctor", "reception", "admin"]
Status = Literal["invited", "active", "disabled"]
Lines = Annotated[list[ShortText], Field(max_length=50)]
OF_DOCTORS = {"title", "specialties", "languages", "bio", "location", "services", "accepting_patients"}


class EnrolUser(RequestModel):
    """A new user. Without a password an invitation is mailed; the fields from `title` on are a doctor's."""

    email: Email
    role: UserRole
    full_name: ShortText
    password: str | None = Field(default=None, max_length=128)
    phone: Phone | None = None
    time_zone: TimeZone = "UTC"
    locale: Locale = "en"
    title: ShortText | None = None
    specialties: Lines | None = None
    languages: Annotated[list[Locale], Field(max_length=50)] | None = None
    bio: LongText | None = None
    location: ShortText | None = None
    services: Annotated[list[UUID], Field(max_length=200)] | None = None
    accepting_patients: bool | None = Field(default=None, strict=True)

    @model_validator(mode="after")
    def _only_doctors_have_a_doctors_fields(self) -> Self:
        if Role(self.role) is not Role.DOCTOR and self._of_doctor:
            raise PydanticCustomError("not_a_doctor", "only a doctor has {names}", {"names": ", ".join(sorted(self._of_doctor))})
        return self

    @property
    def _of_doctor(self) -> dict[str, Any]:
        return self.model_dump(mode="json", include=OF_DOCTORS, exclude_none=True)

    def user(self, user_id: UUID) -> NewUser:
        return NewUser(
            user_id, self.email, Role(self.role), self.full_name, self.time_zone, self.locale, self.phone, doctor=self._of_doctor
        )


class AmendUser(PatchModel):
    """What is left out stays."""

    email: Email | None = None
    full_name: ShortText | None = None
    role: UserRole | None = None
    status: Literal["active", "disabled"] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        return super().changes | ({"role": Role(self.role)} if self.role else {})


class UserOut(ReadModel):
    """An account as an admin sees it; `pending`: its profile is still being made."""

    id: UUID
    email: str
    full_name: str
    role: Role
    status: Literal["pending", "invited", "active", "disabled"]
    version: int


class FutureAppointment(ReadModel):
    id: UUID
    starts_at: Instant


class DismissedOut(UserOut):
    """The disabled user. The appointments were cancelled if you asked for it, and stand otherwise."""

    future_appointments: list[FutureAppointment]


class ChangeAppointment(RequestModel):
    """Another time, doctor or status, and why; what is left out stays."""

    starts_at: Instant | None = None
    doctor_id: UUID | None = None
    status: Annotated[str, StringConstraints(pattern="^[a-z_]{1,32}$")] | None = Field(default=None, examples=["cancelled"])
    reason: ShortText

    @property
    def changes(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)
