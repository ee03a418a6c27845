"""Server processes that keep running after this command. An environment variable of theirs identifies the run they belong to."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RUN_VARIABLE = "CARESLOT_SERVERS_RUN"
START_SECONDS = 90
STOP_SECONDS = 20
ATTEMPTS = 20


class ServerFailure(Exception):
    """Raised when a server cannot be installed, started or stopped. The message says where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How to run one server. `prepare` may run again on existing data; `is_answering` sends a request in the server's own protocol."""

    name: str
    run_folder: Path
    command: list[str]
    environment: dict[str, str]
    prepare: Callable[[], None]
    is_answering: Callable[[], bool]

    @property
    def log(self) -> Path:
        """The file with the output of the server."""
        return self.run_folder / f"{self.name}.log"


def start(server: Server) -> None:
    """Start the server unless it is running, and wait until it answers."""
    if not pid_of(server.name, server.run_folder):
        server.prepare()
        launch(server)
    wait_until_answering(server)


def launch(server: Server) -> None:
    """Start the process of a server and write its pid file."""
    with server.log.open("ab") as log:
        process = subprocess.Popen(
            server.command,
            env={**os.environ, **server.environment, RUN_VARIABLE: str(server.run_folder)},
            cwd=server.run_folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    pid_file(server.name, server.run_folder).write_text(str(process.pid))


def wait_until_answering(server: Server) -> None:
    """Wait until the server answers. Raises ServerFailure when it ends, or takes longer than START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not server.is_answering():
        if not pid_of(server.name, server.run_folder):
            raise ServerFailure(f"{server.name} ended while starting: see {server.log}")
        if time.monotonic() > deadline:
            raise ServerFailure(f"{server.name} does not answer after {START_SECONDS} s: see {server.log}")
        time.sleep(0.1)


def pid_file(name: str, run_folder: Path) -> Path:
    return run_folder / f"{name}.pid"


def pid_of(name: str, run_folder: Path) -> int | None:
    """Return the process id of a server, or None when it is not running."""
    file = pid_file(name, run_folder)
    pid = int(file.read_text()) if file.exists() else 0
    return pid if is_running(pid, run_folder) else None


def is_running(pid: int, run_folder: Path) -> bool:
    """Return whether the process belongs to the run. After it ended, the system may have given its id to another process."""
    try:
        return f"{RUN_VARIABLE}={run_folder}".encode() in environment_of(pid).split(b"\0")
    except OSError:
        return False


def environment_of(pid: int) -> bytes:
    """Return the environment of a process. Raises OSError when it has ended, even if it was not reaped.

    The environment is empty for a moment while a process executes another program; it is then read again.
    """
    for _ in range(ATTEMPTS):
        os.readlink(f"/proc/{pid}/exe")
        if environment := Path(f"/proc/{pid}/environ").read_bytes():
            return environment
        time.sleep(0.005)
    return b""


def pids_of_run(run_folder: Path) -> list[int]:
    """Return the ids of all running processes of a run."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if is_running(pid, run_folder)]


def end_run(run_folder: Path) -> None:
    """End all processes of a run, and those that they start meanwhile."""
    while pids := pids_of_run(run_folder):
        end(pids, run_folder)


def end(pids: list[int], run_folder: Path, number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal to processes and wait until they have ended. Those that run on after STOP_SECONDS are killed."""
    signal_each(pids, run_folder, number)
    if remaining := wait_for_end(pids, run_folder):
        signal_each(remaining, run_folder, signal.SIGKILL)
        if remaining := wait_for_end(remaining, run_folder):
            raise ServerFailure(f"processes {remaining} do not end")


def signal_each(pids: list[int], run_folder: Path, number: signal.Signals) -> None:
    for pid in pids:
        if is_running(pid, run_folder):
            os.kill(pid, number)


def wait_for_end(pids: list[int], run_folder: Path) -> list[int]:
    """Wait up to STOP_SECONDS, and return the processes that are still running then."""
    deadline = time.monotonic() + STOP_SECONDS
    while (remaining := [pid for pid in pids if is_running(pid, run_folder)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return remaining
