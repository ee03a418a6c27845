"""The settings of notification-service."""

from __future__ import annotations

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class Settings(CommonSettings):
    """`mail_url`: `smtp://user:password@host:port?tls=starttls`, `smtps://...` or `file:folder`."""

    model_config = SettingsConfigDict(env_prefix="NOTIFY_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.NOTIFICATION

    database_url: str
    mail_url: str
    mail_from: str = "clinic@careslot.example"
    clinic_name: str = "Careslot Clinic"
