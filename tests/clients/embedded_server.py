"""Starts the whole platform embedded, as a process of its own, for the clients under test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 30


@contextmanager
def embedded_server(log_path: Path) -> Iterator[str]:
    """Run `careslot serve --dev --demo` on a free port with a temporary data folder, and yield its address. It writes to `log_path`."""
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
            yield url
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
