"""Overrides: adapters that a service uses instead of those that its settings name, as in the embedded platform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.contracts.identity import Service
from shared.kit.bus import Bus
from shared.kit.clock import Clock, system_clock
from shared.kit.ids import new_id
from shared.kit.jobs import BackgroundWork

Transport = Callable[[Service], httpx.AsyncBaseTransport]


@dataclass(frozen=True, slots=True)
class Overrides:
    """The adapters of one service. The service creates those that are None from its settings.

    `instance_name` identifies this instance in leases.
    """

    bus: Bus | None = None
    transport: Transport | None = None
    clock: Clock = system_clock
    mailbox: Any = None
    webhook_receiver: Any = None
    background_work: BackgroundWork | None = None
    instance_name: str = field(default_factory=lambda: str(new_id()))
