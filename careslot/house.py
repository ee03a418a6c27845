"""All eight services in one process: the same `create_app` eight times, with the same overrides."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp

from careslot.folder import Folder
from careslot.services import PACKAGES, create_app, migrate, settings_of
from shared.contracts.identity import Service
from shared.kit.bus_embedded import EmbeddedBus
from shared.kit.clock import Clock, system_clock
from shared.kit.jobs import BackgroundWork
from shared.kit.overrides import Overrides
from shared.kit.settings import CommonSettings
from shared.kit.transport import InProcessTransport

STORELESS = frozenset({Service.GATEWAY})


@dataclass
class House:
    """`door` is the gateway; `settle` waits until every queue is empty and every job has nothing to do."""

    folder: Folder
    clock: Clock
    bus: EmbeddedBus
    background_work: BackgroundWork = field(default_factory=BackgroundWork)
    apps: dict[Service, Any] = field(default_factory=dict)

    @property
    def door(self) -> ASGIApp:
        app: ASGIApp = self.apps[Service.GATEWAY]
        return app

    async def settle(self) -> None:
        await self.background_work.run_until_idle()


@asynccontextmanager
async def open_house(folder: Folder, clock: Clock = system_clock, **more: Any) -> AsyncIterator[House]:
    """Migrates, starts and, on leaving, ends all eight. `more` are settings for those services that know them."""
    for service in PACKAGES.keys() - STORELESS:
        migrate(service, folder.database(service))
    async with AsyncExitStack() as stack:
        house = House(folder, clock, await stack.enter_async_context(EmbeddedBus(str(folder.path / "bus.db"), clock)))
        house.background_work.add(house.bus.deliver_due)
        overrides = Overrides(
            bus=house.bus,
            transport=lambda name: InProcessTransport(lambda: house.apps.get(name)),
            clock=clock,
            background_work=house.background_work,
            instance_name="embedded",
        )
        for service in PACKAGES:
            app = create_app(service, embedded_settings(service, folder, **more), overrides)
            await stack.enter_async_context(app.router.lifespan_context(app))
            house.apps[service] = app
        yield house


def embedded_settings(service: Service, folder: Folder, **more: Any) -> CommonSettings:
    """The settings of a service in this folder: databases and mail are files, secrets were generated once."""
    kind = settings_of(service)
    os.environ.setdefault("CARESLOT_ENV", "development")
    offered: dict[str, Any] = {
        "database_url": folder.database(service),
        "client_secret": folder.secret(service.prefix),
        "key_secret": folder.secret("AUTH_KEY"),
        "mail_url": f"file:{folder.mail}",
        **{f"{other.prefix.lower()}_client_secret": folder.secret(other.prefix) for other in Service},
        **more,
    }
    return kind(**{name: value for name, value in offered.items() if name in kind.model_fields})
