"""Starts the whole platform embedded, as a process of its own, for the clients under test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class PlatformUnderTest:
    """A running platform: its address, its data folder, and the file with its OpenAPI document."""

    url: str
    data: Path
    document: Path

    def client_secret(self, prefix: str) -> str:
        """Return the secret with which a service gets its tokens, by the prefix of the service's settings."""
        return str(json.loads((self.data / "secrets.json").read_text())[prefix])


@contextmanager
def embedded_server(log_path: Path, document: Path) -> Iterator[PlatformUnderTest]:
    """Run `careslot serve --dev --demo` on a free port with a temporary data folder. It writes to `log_path`."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data, log_path.open("w") as log:
        careslot = str(Path(sys.executable).with_name("careslot"))
        command = [careslot, "serve", "--dev", "--demo", "--port", str(port), "--data", data]
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"CARESLOT_PUBLIC_URL": url, "GATEWAY_RATE_SCALE": "1000"}
        )
        try:
            _wait_until_ready(process, log_path)
            yield PlatformUnderTest(url, Path(data), document)
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while "careslot ready" not in log_path.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The server did not start:\n{log_path.read_text()}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
