"""The commands `careslot migrate` and `careslot check`, for the services that the environment configures."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import typer
from aiosmtplib import SMTP

from careslot.services import PACKAGES, grant_privileges, may_change_audit_trail, migrate, settings_of
from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings, InvalidSettings
from shared.kit.sql import Database

CONNECT_TIMEOUT_SECONDS = 5


def migrate_all(name: str | None) -> None:
    """Migrate every database that the environment names, or only that of the service `name`.

    Raises typer.BadParameter when there is nothing to migrate.
    """
    chosen = [service for service in PACKAGES if service is not Service.GATEWAY and name in (None, service.value)]
    if not chosen:
        raise typer.BadParameter(f"there is no service {name!r} with a database")
    configured = [service for service in chosen if _database_url(service)]
    if not configured:
        raise typer.BadParameter(f"{chosen[0].prefix}_DATABASE_URL is not set")
    for service in configured:
        _migrate(service, _database_url(service))
        typer.echo(f"{service} is up to date")


def _migrate(service: Service, url: str) -> None:
    """Migrate one database: as the user of `<PREFIX>_MIGRATION_DATABASE_URL` if it is set, who then gives the service's user privileges."""
    migration_url = os.environ.get(f"{service.prefix}_MIGRATION_DATABASE_URL", "")
    migrate(service, migration_url or url)
    if migration_url.startswith("mysql"):
        grant_privileges(service, migration_url, url, os.environ.get(f"{service.prefix}_RETENTION_DATABASE_URL", ""))


def list_faults() -> list[str]:
    """Check the gateway and every service whose database the environment names. Returns a line per fault of settings or connections."""
    configured = [service for service in PACKAGES if service is Service.GATEWAY or _database_url(service)]
    return [f"{service}: {fault}" for service in configured for fault in _faults_of(service)]


def list_warnings() -> list[str]:
    """Return a line for what works and is less safe than it can be: a database user who may change the audit trail."""
    url = _database_url(Service.ADMIN)
    if not url.startswith("mysql") or not asyncio.run(_may_change_audit_trail(url)):
        return []
    return [f"{Service.ADMIN}: the user of ADMIN_DATABASE_URL may change or delete lines of the audit trail, see docs/audit.md"]


async def _may_change_audit_trail(url: str) -> bool:
    """Return False also when the database does not answer, which is a fault of its own."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            return await may_change_audit_trail(url)
    except Exception:
        return False


def _faults_of(service: Service) -> list[str]:
    try:
        settings = settings_of(service).read()
    except InvalidSettings as error:
        return str(error.code).splitlines()
    return settings.faults() + asyncio.run(_check_connections(settings))


async def _check_connections(settings: CommonSettings) -> list[str]:
    urls = {
        name: str(getattr(settings, name))
        for name in ("database_url", "retention_database_url", "bus_url", "mail_url", "rate_store_url")
        if hasattr(settings, name)
    }
    return [f"{name} {fault}" for name, url in urls.items() if (fault := await _check_connection(url))]


async def _check_connection(url: str) -> str | None:
    """Connect to the server or file that `url` names. Returns what is wrong, or None; `memory:` and other schemes are not checked."""
    parts = urlsplit(url)
    check = next((check for scheme, check in CHECKS.items() if parts.scheme.startswith(scheme)), None)
    if check is None:
        return None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            await check(url)
    except Exception as error:
        return f"cannot be used at {parts.hostname or parts.path}: {type(error).__name__}"
    return None


async def _check_sql(url: str) -> None:
    async with Database(url) as database:
        await database.check()


async def _check_sqlite(url: str) -> None:
    def select() -> None:
        with closing(sqlite3.connect(url.partition(":///")[2], timeout=CONNECT_TIMEOUT_SECONDS)) as connection:
            connection.execute("SELECT 1")

    await asyncio.to_thread(select)


async def _check_mongodb(url: str) -> None:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(url, timeoutMS=CONNECT_TIMEOUT_SECONDS * 900)
    await client.get_default_database("admin").command("ping")
    client.close()


async def _check_broker(url: str) -> None:
    import aio_pika

    connection = await aio_pika.connect(url, timeout=CONNECT_TIMEOUT_SECONDS)
    await connection.close()


async def _check_smtp(url: str) -> None:
    parts = urlsplit(url)
    async with SMTP(
        hostname=parts.hostname, port=parts.port, use_tls=parts.scheme == "smtps", start_tls=False, timeout=CONNECT_TIMEOUT_SECONDS
    ) as smtp:
        await smtp.noop()


async def _check_redis(url: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(url) as client:
        await client.ping()


CHECKS = {
    "mysql": _check_sql,
    "sqlite": _check_sqlite,
    "mongodb": _check_mongodb,
    "amqp": _check_broker,
    "smtp": _check_smtp,
    "redis": _check_redis,
}


def _database_url(service: Service) -> str:
    return os.environ.get(f"{service.prefix}_DATABASE_URL", "")
