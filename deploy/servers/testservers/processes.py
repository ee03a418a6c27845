"""Server processes that continue after this command. A variable in their environment identifies the run that they belong to."""

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
MAX_READS = 20


class ServerError(Exception):
    """A server cannot be started, stopped or found. The message says where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server. `prepare` may run again on existing data; `answers` returns whether the server answers in its own protocol."""

    name: str
    run_folder: Path
    command: list[str]
    environment: dict[str, str]
    prepare: Callable[[], None]
    answers: Callable[[], bool]

    @property
    def log(self) -> Path:
        return self.run_folder / f"{self.name}.log"


def start(server: Server) -> None:
    """Start the server unless it runs, and return when it answers."""
    if not running_pid(server.name, server.run_folder):
        server.prepare()
        launch(server)
    wait_until_it_answers(server)


def launch(server: Server) -> None:
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


def wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.answers():
        if not running_pid(server.name, server.run_folder):
            raise ServerError(f"{server.name} ended while starting: see {server.log}")
        if time.monotonic() > deadline:
            raise ServerError(f"{server.name} does not answer after {START_SECONDS} s: see {server.log}")
        time.sleep(0.1)


def pid_file(name: str, run_folder: Path) -> Path:
    return run_folder / f"{name}.pid"


def running_pid(name: str, run_folder: Path) -> int | None:
    """Return the pid of a server, or None if it does not run."""
    file = pid_file(name, run_folder)
    pid = int(file.read_text()) if file.exists() else 0
    return pid if belongs_to_run(pid, run_folder) else None


def belongs_to_run(pid: int, run_folder: Path) -> bool:
    """Return whether a process of this run has this pid. After a process has ended, the system may give its pid to another process."""
    try:
        return f"{RUN_VARIABLE}={run_folder}".encode() in environment_of(pid).split(b"\0")
    except OSError:
        return False


def environment_of(pid: int) -> bytes:
    """Return the environment of a process. Raises OSError if it has ended. Reads again while it is empty, as during an exec."""
    for _ in range(MAX_READS):
        os.readlink(f"/proc/{pid}/exe")
        if environment := Path(f"/proc/{pid}/environ").read_bytes():
            return environment
        time.sleep(0.005)
    return b""


def pids_of_run(run_folder: Path) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if belongs_to_run(pid, run_folder)]


def stop_all(run_folder: Path) -> None:
    while pids := pids_of_run(run_folder):
        stop(pids, run_folder)


def stop(pids: list[int], run_folder: Path, signal_number: signal.Signals = signal.SIGTERM) -> None:
    """Signal processes and wait until they have ended. Kills those that still run after STOP_SECONDS."""
    send_signal(pids, run_folder, signal_number)
    if running := wait_until_ended(pids, run_folder):
        send_signal(running, run_folder, signal.SIGKILL)
        if running := wait_until_ended(running, run_folder):
            raise ServerError(f"processes {running} do not end")


def send_signal(pids: list[int], run_folder: Path, signal_number: signal.Signals) -> None:
    for pid in pids:
        if belongs_to_run(pid, run_folder):
            os.kill(pid, signal_number)


def wait_until_ended(pids: list[int], run_folder: Path) -> list[int]:
    """Wait up to STOP_SECONDS, and return the pids that still run."""
    deadline = time.monotonic() + STOP_SECONDS
    while (running := [pid for pid in pids if belongs_to_run(pid, run_folder)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return running
