"""One run of the servers: its folder and addresses, kept as `.servers.env` in the repository's root."""

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
    def fresh(cls) -> Self:
        base = free_ports(5)
        urls = {
            "mysql": f"mysql+aiomysql://root:{secrets.token_hex(12)}@127.0.0.1:{base}",
            "mongo": f"mongodb://127.0.0.1:{base + 1}",
            "amqp": f"amqp://guest:guest@127.0.0.1:{base + 2}/",  # the two ports after it are Erlang's
        }
        return cls(Path(tempfile.mkdtemp(prefix="run-", dir=home())), urls)

    @classmethod
    def kept(cls) -> Self | None:
        """The run that `.servers.env` tells of, whether or not it still lives."""
        if not ENV_FILE.exists():
            return None
        entries = dict(line.split("=", 1) for line in ENV_FILE.read_text().splitlines())
        return cls(Path(entries[FOLDER]), {name: entries[key(name, "URL")] for name in ("mysql", "mongo", "amqp")})

    def keep(self, pids: dict[str, int]) -> None:
        entries = {key(name, "URL"): url for name, url in self.urls.items()}
        entries |= {key(name, "PID"): str(pid) for name, pid in pids.items()}
        draft = ENV_FILE.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{name}={value}\n" for name, value in {**entries, FOLDER: str(self.folder)}.items()))
        draft.replace(ENV_FILE)


def key(name: str, what: str) -> str:
    return f"CARESLOT_TEST_{name.upper()}_{what}"


def home() -> Path:
    """Where the built binary and the runs' data live; ours alone, since what lies here is executed."""
    folder = Path(os.environ.get("CARESLOT_SERVERS_HOME") or Path(tempfile.gettempdir()) / f"careslot-servers-{os.getuid()}").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to someone else; name another folder in CARESLOT_SERVERS_HOME")
    return folder


@contextmanager
def alone() -> Iterator[None]:
    """Two commands at once would start everything twice: the second waits for the first."""
    with (home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_ports(count: int) -> int:
    """The first of so many free ports in a row, below those the kernel lends to clients.

    A client that retries a stopped server's port among those would in time be lent that very port and talk to itself.
    """
    lent_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        base = random.randrange(min(12_000, lent_from // 2), lent_from - count)
        if all(is_free(port) for port in range(base, base + count)):
            return base


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
