"""One run of the servers: its folder and addresses, which are stored in `.servers.env` in the repository's root."""

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

ENV_FILE = Path(__file__).resolve().parents[3] / ".servers.env"
FOLDER = "CARESLOT_TEST_SERVERS_FOLDER"


@dataclass(frozen=True, slots=True)
class Run:
    folder: Path
    urls: dict[str, str]

    @classmethod
    def create(cls) -> Self:
        base = free_ports(5)
        urls = {
            "mysql": f"mysql+aiomysql://root:{secrets.token_hex(12)}@127.0.0.1:{base}",
            "mongo": f"mongodb://127.0.0.1:{base + 1}",
            "amqp": f"amqp://guest:guest@127.0.0.1:{base + 2}/",  # Erlang uses the next two ports
        }
        return cls(Path(tempfile.mkdtemp(prefix="run-", dir=home())), urls)

    @classmethod
    def read(cls) -> Self | None:
        """Return the run that `.servers.env` describes, whether or not its servers still run; None without that file."""
        if not ENV_FILE.exists():
            return None
        entries = dict(line.split("=", 1) for line in ENV_FILE.read_text().splitlines())
        return cls(Path(entries[FOLDER]), {name: entries[variable(name, "URL")] for name in ("mysql", "mongo", "amqp")})

    def write(self, pids: dict[str, int]) -> None:
        entries = {variable(name, "URL"): url for name, url in self.urls.items()}
        entries |= {variable(name, "PID"): str(pid) for name, pid in pids.items()}
        draft = ENV_FILE.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{name}={value}\n" for name, value in {**entries, FOLDER: str(self.folder)}.items()))
        draft.replace(ENV_FILE)


def variable(name: str, suffix: str) -> str:
    return f"CARESLOT_TEST_{name.upper()}_{suffix}"


def home() -> Path:
    """Return the folder of the binary and of the data. It must belong to this user, because the binary in it is executed."""
    folder = Path(os.environ.get("CARESLOT_SERVERS_HOME") or Path(tempfile.gettempdir()) / f"careslot-servers-{os.getuid()}").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; name another folder in CARESLOT_SERVERS_HOME")
    return folder


@contextmanager
def lock_servers() -> Iterator[None]:
    """Wait until no other command runs, and hold the lock: two commands at once would start every server twice."""
    with (home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_ports(count: int) -> int:
    """Return the first of `count` consecutive free ports, below the range of ephemeral ports.

    A client that keeps connecting to a stopped server in that range could get the server's port as its own and connect to itself.
    """
    first_ephemeral_port = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        base = random.randrange(min(12_000, first_ephemeral_port // 2), first_ephemeral_port - count)
        if all(is_free(port) for port in range(base, base + count)):
            return base


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
