"""The settings of admin-service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings


class AdminSettings(CommonSettings):
    """Settings of admin-service, from variables that begin with `ADMIN_`, and the common ones."""

    model_config = SettingsConfigDict(env_prefix="ADMIN_", frozen=True, extra="ignore", populate_by_name=True)
    service: ClassVar[Service] = Service.ADMIN

    secrets: ClassVar[tuple[str, ...]] = ("client_secret", "import_key")

    database_url: str = Field(description="The database: `mysql+aiomysql://...` or `sqlite+aiosqlite:///...`.")
    retention_database_url: str = Field(
        "",
        description="The same database as a user who may delete old lines of the audit trail, which the user of `ADMIN_DATABASE_URL` may"
        " not. Empty: on SQLite, which has no users, the database itself; otherwise old lines are not deleted.",
    )
    import_key: str = Field(
        "",
        description="Encrypts the rows of uploaded files while they wait; 32 characters or more, the same for all instances. With another "
        "one, rows that wait fail.",
    )
    keep_audit_years: int = Field(
        10,
        ge=1,
        le=100,
        description="For how many years the audit trail keeps a line. The default is the time for which medical records are kept in many "
        "countries, so that there is a line for as long as there is what was read; the law of the clinic's country decides.",
    )
    keep_reports_years: int = Field(
        10,
        ge=1,
        le=100,
        description="For how many years the reports keep what they know of a visit: ids, times and states, no names and no texts.",
    )

    @property
    def retention_url(self) -> str:
        """The database of the job that deletes old lines, or an empty text if there is no such job."""
        return self.retention_database_url or (self.database_url if self.database_url.startswith("sqlite") else "")
