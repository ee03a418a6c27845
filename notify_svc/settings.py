"""The settings of notification-service."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.contracts.contacts import MAX_OFFSET_MINUTES, MAX_OFFSETS, MIN_OFFSET_MINUTES
from shared.contracts.identity import Service
from shared.contracts.texts import OneLineText
from shared.contracts.values import Email
from shared.kit.settings import CommonSettings, from_variable

OffsetMinutes = Annotated[int, Field(ge=MIN_OFFSET_MINUTES, le=MAX_OFFSET_MINUTES)]
EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)  # Compose passes unset variables on as empty strings
MAIL_URL = r"^file:.+|^smtps://[^?]+$|^smtp://[^?]+(\?tls=(none|starttls))?$"


def split_list(value: Any) -> Any:
    """Return the items of a comma-separated list; other values as they are."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


class NotifySettings(CommonSettings):
    """Settings of notification-service, from variables that begin with `NOTIFY_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="NOTIFY_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.NOTIFICATION
    secrets: ClassVar[tuple[str, ...]] = ("client_secret", "webhook_key", "link_secret")

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
    mail_url: Annotated[str, StringConstraints(pattern=MAIL_URL)] = Field(
        description="Where mails go: `smtp://user:password@host:port?tls=starttls`, `smtps://user:password@host:port` or `file:folder`."
    )
    mail_from: Email = Field("clinic@careslot.example", description="The sender's address of all mails.")
    clinic_email: Annotated[Email | None, EMPTY_IS_NONE] = Field(
        None, description="Where replies to mails go. By default they go to `NOTIFY_MAIL_FROM`."
    )
    sender_name: Annotated[OneLineText | None, EMPTY_IS_NONE] = from_variable(
        "NOTIFY_CLINIC_NAME", None, "The sender's name of all mails; empty means the value of `CARESLOT_CLINIC_NAME`."
    )
    keep_messages_days: int = Field(
        400,
        ge=30,
        le=3660,
        description="After how many days messages are deleted from the log, and visits after their end. Messages still to be sent stay.",
    )
    reminder_offsets_minutes: Annotated[tuple[OffsetMinutes, ...], NoDecode, BeforeValidator(split_list)] = Field(
        (1440, 60),
        max_length=MAX_OFFSETS,
        description="When reminders are due, in minutes before a visit, for patients and service types that say nothing else: a list with "
        f"commas of at most {MAX_OFFSETS} numbers between {MIN_OFFSET_MINUTES} and {MAX_OFFSET_MINUTES}. Empty: no reminders.",
    )
    link_secret: str = Field("", description="Signs the links that end reminders and digests; the same for all instances.")
    webhook_key: str = Field("", description="Encrypts the secrets of webhooks; 32 characters or more, the same for all instances.")
    webhook_allow_private: bool = Field(
        False, description="Allows webhooks with http, every port and private addresses, for development and tests."
    )
