"""The settings of notification-service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.contracts.texts import OneLineText
from shared.contracts.values import Email
from shared.kit.settings import CommonSettings, from_variable

EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)  # Compose passes unset variables on as empty strings
MAIL_URL = r"^file:.+|^smtps://[^?]+$|^smtp://[^?]+(\?tls=(none|starttls))?$"


class NotifySettings(CommonSettings):
    """Settings of notification-service, from variables that begin with `NOTIFY_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="NOTIFY_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.NOTIFICATION

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
    mail_url: Annotated[str, StringConstraints(pattern=MAIL_URL)] = Field(
        description="Where mails go: `smtp://user:password@host:port?tls=starttls`, `smtps://user:password@host:port` or `file:folder`."
    )
    mail_from: Email = Field("clinic@careslot.example", description="The sender's address of all mails.")
    sender_name: Annotated[OneLineText | None, EMPTY_IS_NONE] = from_variable(
        "NOTIFY_CLINIC_NAME", None, "The sender's name of all mails; empty means the value of `CARESLOT_CLINIC_NAME`."
    )
