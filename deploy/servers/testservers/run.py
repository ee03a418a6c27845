"""One run of the servers: its folder and its addresses, which are saved in `.servers.env` in the root of the repository."""

import fcntl
import os
import random
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

ENV_FILE = Path(__file__).resolve().parents[3] / ".servers.env"
FOLDER = "CARESLOT_TEST_SERVERS_FOLDER"


@dataclass(frozen=True, slots=True)
class Run:
    """A run has a folder for data and logs, and the URL of each server by name."""

    folder: Path
    urls: dict[str, str]

    @classmethod
    def create(cls) -> Self:
        """Create a run with a new folder and free ports."""
        base = find_free_ports(6)
        urls = {
            "mysql": f"mysql+aiomysql://root:{secrets.token_hex(12)}@127.0.0.1:{base}",
            "mongo": f"mongodb://127.0.0.1:{base + 1}",
            "amqp": f"amqp://guest:guest@127.0.0.1:{base + 2}/",  # Erlang uses the two ports after it
            "redis": redis_url(base),
        }
        return cls(Path(tempfile.mkdtemp(prefix="run-", dir=home())), urls)

    @classmethod
    def load(cls) -> Self | None:
        """Return the run that `.servers.env` describes, or None without that file. Its servers need not be running."""
        if not ENV_FILE.exists():
            return None
        entries = dict(line.split("=", 1) for line in ENV_FILE.read_text().splitlines())
        urls = {name: entries[variable(name, "URL")] for name in ("mysql", "mongo", "amqp")}
        # The file of a run that was started before Redis was one of the servers does not name it.
        base = urlsplit(urls["mysql"]).port or 0
        return cls(Path(entries[FOLDER]), urls | {"redis": entries.get(variable("redis", "URL"), redis_url(base))})

    def save(self, pids: dict[str, int]) -> None:
        """Write `.servers.env`, which only its owner can read, with the addresses and the ids of the running processes."""
        entries = {variable(name, "URL"): url for name, url in self.urls.items()}
        entries |= {variable(name, "PID"): str(pid) for name, pid in pids.items()}
        draft = ENV_FILE.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{name}={value}\n" for name, value in {**entries, FOLDER: str(self.folder)}.items()))
        draft.replace(ENV_FILE)


def redis_url(base: int) -> str:
    return f"redis://127.0.0.1:{base + 5}"


def variable(name: str, suffix: str) -> str:
    return f"CARESLOT_TEST_{name.upper()}_{suffix}"


def home() -> Path:
    """Return the folder of the built binary and of the runs' data.

    Raises PermissionError when another user owns it, because the binary in it is executed.
    """
    folder = Path(os.environ.get("CARESLOT_SERVERS_HOME") or Path(tempfile.gettempdir()) / f"careslot-servers-{os.getuid()}").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; name another folder in CARESLOT_SERVERS_HOME")
    return folder


@contextmanager
def lock_commands() -> Iterator[None]:
    """Wait until no other command runs, and keep others waiting: two at once would start every server twice."""
    with (home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find_free_ports(count: int) -> int:
    """Return the first of `count` free consecutive ports below the range from which the kernel takes the ports of outgoing connections.

    A client that keeps connecting to the port of a stopped server in that range would in time be given that port and connect to itself.
    """
    ephemeral_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        base = random.randrange(min(12_000, ephemeral_from // 2), ephemeral_from - count)
        if all(is_free(port) for port in range(base, base + count)):
            return base


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
