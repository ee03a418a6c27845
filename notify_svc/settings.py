"""The settings of notification-service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.contracts.texts import OneLineText
from shared.contracts.values import Email
from shared.kit.settings import CommonSettings

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
    clinic_email: Email | None = Field(None, description="Where replies to mails go. By default they go to `NOTIFY_MAIL_FROM`.")
    clinic_name: OneLineText = Field("Careslot Clinic", description="The sender's name of all mails.")
