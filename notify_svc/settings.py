"""The settings of notification-service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import StringConstraints
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.contracts.values import Email, ShortText
from shared.kit.settings import CommonSettings

MAIL_URL = r"^file:.+|^smtps://[^?]+$|^smtp://[^?]+(\?tls=(none|starttls))?$"


class NotifySettings(CommonSettings):
    """Variables begin with `NOTIFY_`.

    `mail_url` is `smtp://user:password@host:port?tls=starttls`, `smtps://user:password@host:port` or `file:folder`. `mail_from` and
    `clinic_name` are the sender of all mails.
    """

    model_config = SettingsConfigDict(env_prefix="NOTIFY_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.NOTIFICATION

    database_url: str
    mail_url: Annotated[str, StringConstraints(pattern=MAIL_URL)]
    mail_from: Email = "clinic@careslot.example"
    clinic_name: ShortText = "Careslot Clinic"
