"""The eight services by name. No other module knows their packages."""

from __future__ import annotations

import importlib
from contextlib import AbstractAsyncContextManager
from typing import Any

from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings

PACKAGES = {
    Service.AUTH: "auth_svc",
    Service.PATIENT: "patient_svc",
    Service.DOCTOR: "doctor_svc",
    Service.SCHEDULING: "scheduling_svc",
    Service.APPOINTMENT: "appointment_svc",
    Service.ADMIN: "admin_svc",
    Service.NOTIFICATION: "notify_svc",
    Service.GATEWAY: "gateway_svc",
}
SETTINGS = {
    Service.AUTH: "AuthSettings",
    Service.PATIENT: "PatientSettings",
    Service.DOCTOR: "DoctorSettings",
    Service.SCHEDULING: "SchedulingSettings",
    Service.APPOINTMENT: "AppointmentSettings",
    Service.ADMIN: "AdminSettings",
    Service.NOTIFICATION: "NotifySettings",
    Service.GATEWAY: "GatewaySettings",
}


def settings_of(service: Service) -> type[CommonSettings]:
    """Return a service's settings class, without importing the rest of the service."""
    module = importlib.import_module(f"{PACKAGES[service]}.settings")
    settings: type[CommonSettings] = getattr(module, SETTINGS[service])
    return settings


def create_app(service: Service, settings: CommonSettings, overrides: Any) -> Any:
    """Return the ASGI app of a service."""
    return importlib.import_module(f"{PACKAGES[service]}.main").create_app(settings, overrides=overrides)


def open_key_rotation(database_url: str, record_keys: str) -> AbstractAsyncContextManager[Any]:
    """Open the database of patient-service to encrypt the keys of patients anew."""
    rotation: AbstractAsyncContextManager[Any] = importlib.import_module("patient_svc.wiring").open_key_rotation(database_url, record_keys)
    return rotation


def open_rebuild_requests(service: Service, database_url: str) -> AbstractAsyncContextManager[Any]:
    """Open the database of patient-service or admin-service to request a rebuild of the booking history or of the reports."""
    wiring = importlib.import_module(f"{PACKAGES[service]}.wiring")
    requests: AbstractAsyncContextManager[Any] = wiring.open_rebuild_requests(database_url)
    return requests


def open_erasures(settings: CommonSettings) -> AbstractAsyncContextManager[Any]:
    """Open the database of patient-service to repeat erasures in restored data."""
    erasures: AbstractAsyncContextManager[Any] = importlib.import_module("patient_svc.wiring").open_erasures(settings)
    return erasures


async def withhold_unsent(database_url: str) -> tuple[int, int]:
    """Withhold what a restored database of notification-service has still to send: messages, and deliveries to webhooks."""
    counts: tuple[int, int] = await importlib.import_module("notify_svc.wiring").withhold_unsent(database_url)
    return counts


async def stop_imports(database_url: str) -> int:
    """Stop the imports of a restored database of admin-service; return the number of rows that waited."""
    count: int = await importlib.import_module("admin_svc.wiring").stop_imports(database_url)
    return count


async def end_all_sessions(database_url: str) -> int:
    """End every session of a restored database of auth-service."""
    count: int = await importlib.import_module("auth_svc.wiring").end_all_sessions(database_url)
    return count


def migrate(service: Service, url: str) -> None:
    """Migrate the database of a service to the newest revision. This is cheap when there is nothing to do."""
    if service is Service.APPOINTMENT:
        importlib.import_module("appointment_svc.migrations").migrate(url)
        return
    from shared.kit import migrations

    if not migrations.is_up_to_date(PACKAGES[service], url):
        migrations.migrate(PACKAGES[service], url)


async def may_change_audit_trail(database_url: str) -> bool:
    """Return whether the user of the MySQL database of admin-service may change or delete lines of the audit trail."""
    may_change: bool = await importlib.import_module("admin_svc.repository.privileges").may_change_lines(database_url)
    return may_change


def grant_privileges(service: Service, migration_url: str, url: str, retention_url: str) -> None:
    """Give the MySQL users of a service what they need after a migration; only migrations use the user of `migration_url`.

    The users of admin-service may not change the audit trail; that of `retention_url`, if it is given, may delete old lines.
    """
    from shared.kit.migrations.privileges import account_of, grant_privileges

    is_admin = service is Service.ADMIN
    privileges = importlib.import_module("admin_svc.repository.privileges") if is_admin else None
    grant_privileges(migration_url, account_of(url), privileges.SERVICE_PRIVILEGES if privileges else {})
    if privileges and retention_url:
        grant_privileges(migration_url, account_of(retention_url), privileges.RETENTION_PRIVILEGES, others=())
