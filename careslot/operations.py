"""`careslot migrate` and `careslot check` over the services that the environment configures."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import typer
from aiosmtplib import SMTP

from careslot.services import PACKAGES, migrate, settings_of
from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings, InvalidSettings
from shared.kit.sql import Database

DEADLINE_SECONDS = 5


def configured() -> list[Service]:
    """The services whose database the environment names; the gateway has none and always counts."""
    return [service for service in PACKAGES if service is Service.GATEWAY or _url(service)]


def migrate_all(name: str | None) -> None:
    """Every store that the environment names, or the one of `name`."""
    wanted = [service for service in PACKAGES if service is not Service.GATEWAY and name in (None, service.value)]
    if not wanted:
        raise typer.BadParameter(f"there is no service {name!r} with a store")
    known = [service for service in wanted if _url(service)]
    if not known:
        raise typer.BadParameter(f"{wanted[0].prefix}_DATABASE_URL is not set")
    for service in known:
        migrate(service, _url(service))
        typer.echo(f"{service} is up to date")


def faults() -> list[str]:
    """One line per fault of configuration or connection."""
    return [line for service in configured() for line in _faults(service)]


def _faults(service: Service) -> list[str]:
    try:
        settings = settings_of(service).read()
    except InvalidSettings as bad:
        return [f"{service}: {line}" for line in str(bad.code).splitlines()]
    return [f"{service}: {line}" for line in settings.faults() + asyncio.run(_unreachable(settings))]


async def _unreachable(settings: CommonSettings) -> list[str]:
    urls = {name: str(getattr(settings, name)) for name in ("database_url", "bus_url", "mail_url") if hasattr(settings, name)}
    return [f"{name} {why}" for name, url in urls.items() if (why := await _why_not(url))]


async def _why_not(url: str) -> str | None:
    parts = urlsplit(url)
    look = next((look for scheme, look in LOOKS.items() if parts.scheme.startswith(scheme)), None)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await (look(url) if look else asyncio.sleep(0))
    except Exception as why:
        return f"cannot be used at {parts.hostname or parts.path}: {type(why).__name__}"
    return None


async def _sql(url: str) -> None:
    async with Database(url) as database:
        await database.check()


async def _file(url: str) -> None:
    def opened() -> None:
        with closing(sqlite3.connect(url.partition(":///")[2], timeout=DEADLINE_SECONDS)) as connection:
            connection.execute("SELECT 1")

    await asyncio.to_thread(opened)


async def _documents(url: str) -> None:
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(url, timeoutMS=DEADLINE_SECONDS * 900)
    await client.get_default_database("admin").command("ping")
    client.close()


async def _broker(url: str) -> None:
    import aio_pika

    connection = await aio_pika.connect(url, timeout=DEADLINE_SECONDS)
    await connection.close()


async def _mail(url: str) -> None:
    parts = urlsplit(url)
    async with SMTP(
        hostname=parts.hostname, port=parts.port, use_tls=parts.scheme == "smtps", start_tls=False, timeout=DEADLINE_SECONDS
    ) as smtp:
        await smtp.noop()


LOOKS = {"mysql": _sql, "sqlite": _file, "mongodb": _documents, "amqp": _broker, "smtp": _mail}


def _url(service: Service) -> str:
    return os.environ.get(f"{service.prefix}_DATABASE_URL", "")
