"""Redis without files: what it holds are rate limits, which are a minute old at most."""

import socket
from urllib.parse import urlsplit

from testservers import debian
from testservers.processes import Server
from testservers.run import Run

SETTINGS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxmemory", "64mb"]


def redis(run: Run) -> Server:
    """Return how to run Redis."""
    port = urlsplit(run.urls["redis"]).port or 0
    folder = run.folder / "redis"

    def prepare() -> None:
        debian.install()
        folder.mkdir(exist_ok=True)

    def is_answering() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    command = ["redis-server", "--port", str(port), "--dir", str(folder), *SETTINGS]
    return Server(name="redis", run_folder=run.folder, command=command, environment={}, prepare=prepare, is_answering=is_answering)
