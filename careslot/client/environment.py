"""The environment of the commands: folder, variables, clock, terminal and network. Tests pass an environment of their own."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.kit.clock import Clock, system_clock


@dataclass(frozen=True, slots=True)
class Terminals:
    """Which of the three streams of the process are terminals."""

    input: bool
    output: bool
    error: bool


@dataclass(frozen=True, slots=True)
class ClientEnvironment:
    """`folder` keeps profiles and sessions. `transport` carries the requests; None is the network. `sleep` takes seconds."""

    folder: Path
    terminals: Terminals
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Clock = system_clock
    sleep: Callable[[float], None] = time.sleep
    transport: Any = None
    read_secret: Callable[[str], str] = getpass.getpass


def default_environment() -> ClientEnvironment:
    """Return the environment of the process. The folder is `careslot` in the user's folder for configuration (`XDG_CONFIG_HOME`)."""
    from platformdirs import user_config_path

    terminals = Terminals(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty())
    return ClientEnvironment(user_config_path("careslot", appauthor=False), terminals)
