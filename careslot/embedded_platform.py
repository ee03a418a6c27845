"""All eight services in one process: `create_app` of each service is called with the same overrides."""

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


@dataclass
class EmbeddedPlatform:
    """The running services of one data folder. `time_zone` is that of the clinic."""

    folder: Folder
    clock: Clock
    bus: EmbeddedBus
    time_zone: str
    background_work: BackgroundWork = field(default_factory=BackgroundWork)
    apps: dict[Service, Any] = field(default_factory=dict)

    @property
    def gateway_app(self) -> ASGIApp:
        """The gateway's ASGI app, through which all requests from outside go."""
        app: ASGIApp = self.apps[Service.GATEWAY]
        return app

    async def run_until_idle(self) -> None:
        """Deliver events and run due jobs until nothing is left to do."""
        await self.background_work.run_until_idle()


@asynccontextmanager
async def open_embedded_platform(
    folder: Folder, clock: Clock = system_clock, *, mailbox: Any = None, webhook_receiver: Any = None, **settings: Any
) -> AsyncIterator[EmbeddedPlatform]:
    """Migrate all databases and start all services; stop them on leaving. A service gets the `settings` that it has a field for.

    `mailbox` and `webhook_receiver` are used instead of the folder of mails, and of requests to webhooks.
    """
    for service in PACKAGES.keys() - {Service.GATEWAY}:
        migrate(service, folder.database_url(service))
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(EmbeddedBus(str(folder.path / "bus.db"), clock))
        time_zone = embedded_settings(Service.GATEWAY, folder, **settings).time_zone
        platform = EmbeddedPlatform(folder, clock, bus, time_zone)
        platform.background_work.add(bus.deliver_due)
        overrides = Overrides(
            bus=bus,
            transport=lambda service: InProcessTransport(lambda: platform.apps.get(service)),
            clock=clock,
            mailbox=mailbox,
            webhook_receiver=webhook_receiver,
            background_work=platform.background_work,
            instance_name="embedded",
        )
        for service in PACKAGES:
            app = create_app(service, embedded_settings(service, folder, **settings), overrides)
            await stack.enter_async_context(app.router.lifespan_context(app))
            platform.apps[service] = app
        yield platform


def embedded_settings(service: Service, folder: Folder, **settings: Any) -> CommonSettings:
    """Return the settings of a service. Databases, mails and generated secrets are in `folder`; `settings` replace the defaults."""
    settings_class = settings_of(service)
    values: dict[str, Any] = {
        "database_url": folder.database_url(service),
        "client_secret": folder.secret(service.prefix),
        "key_secret": folder.secret("AUTH_KEY"),
        "link_secret": folder.secret(f"{service.prefix}_LINK"),
        "record_keys": folder.record_keys(),
        "import_key": folder.secret("ADMIN_IMPORT_KEY"),
        "webhook_key": folder.secret("NOTIFY_WEBHOOK_KEY"),
        "mail_url": f"file:{folder.mail}",
        **{f"{other.prefix.lower()}_client_secret": folder.secret(other.prefix) for other in Service},
        **settings,
    }
    return default_to_development(settings_class, **{name: value for name, value in values.items() if name in settings_class.model_fields})


def default_to_development(settings_class: type[CommonSettings], **values: Any) -> CommonSettings:
    """Return settings whose environment is `development` where none is set. Raises InvalidSettings for wrong values."""
    is_named = any(name in os.environ for name in ("CARESLOT_ENV", "CARESLOT_ENV_FILE"))
    return settings_class.from_values(**({} if is_named else {"env": "development"}), **values)
