"""A RabbitMQ process of a test's own, which the test may kill. The one that all tests share stays as it is."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SERVERS = Path(__file__).parents[2] / "deploy" / "servers"
START_SECONDS = 90
# A message that the broker cannot move, because its target is not there yet, is tried again after this time; by default after 3 minutes.
MOVE_AGAIN_MS = 1000


def _module(name: str) -> Any:
    """Return a module of `make servers`, which starts the servers that all tests share."""
    if str(SERVERS) not in sys.path:
        sys.path.append(str(SERVERS))
    return importlib.import_module(f"testservers.{name}")


class OwnBroker:
    """Runs inside a `with` block, with its data in `folder`; `kill` and `start` keep the data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port = _module("run").find_free_ports(3)  # the broker's, and two of Erlang's
        self.url = f"amqp://guest:guest@127.0.0.1:{port}/"
        self._server = _module("rabbitmq").rabbitmq(_module("run").Run(folder, {"amqp": self.url}))
        arguments = f" -rabbit dead_letter_worker_publisher_confirm_timeout {MOVE_AGAIN_MS}"
        self._environment = {**os.environ, **self._server.environment, _module("processes").RUN_VARIABLE: str(folder)}
        self._environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] += arguments

    def start(self) -> None:
        """Return when the broker answers."""
        self._server.prepare()
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(self._server.command, env=self._environment, cwd=self._folder, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while not self._server.is_answering():
            assert self._process.poll() is None, (self._folder / "broker.log").read_text()[-2000:]
            assert time.monotonic() < until, "the broker does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """End the broker with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> OwnBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        _module("processes").end_run(self._folder)  # its port mapper runs beside it
