"""Processes that outlive this command: launched in a session of their own, known again by a mark in their environment."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MARK = "CARESLOT_SERVERS_RUN"
START_SECONDS = 90
STOP_SECONDS = 20
LOOKS = 20


class Failed(Exception):
    """A server that does not do as told; the message says what to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`prepare` may run again on data that is there already; `answers` asks the server itself, in its own protocol."""

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
    """Starts it unless it lives, and returns once it answers."""
    if not pid_of(server.name, server.run_folder):
        server.prepare()
        launch(server)
    wait_until_it_answers(server)


def launch(server: Server) -> None:
    with server.log.open("ab") as log:
        process = subprocess.Popen(
            server.command,
            env={**os.environ, **server.environment, MARK: str(server.run_folder)},
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
        if not pid_of(server.name, server.run_folder):
            raise Failed(f"{server.name} ended while starting: see {server.log}")
        if time.monotonic() > deadline:
            raise Failed(f"{server.name} does not answer after {START_SECONDS} s: see {server.log}")
        time.sleep(0.1)


def pid_file(name: str, run_folder: Path) -> Path:
    return run_folder / f"{name}.pid"


def pid_of(name: str, run_folder: Path) -> int | None:
    """The pid of that server, if it lives."""
    file = pid_file(name, run_folder)
    pid = int(file.read_text()) if file.exists() else 0
    return pid if lives(pid, run_folder) else None


def lives(pid: int, run_folder: Path) -> bool:
    """Whether this pid is a process of that run: a number alone may long belong to someone else."""
    try:
        return f"{MARK}={run_folder}".encode() in environment_of(pid).split(b"\0")
    except OSError:
        return False


def environment_of(pid: int) -> bytes:
    """Refuses, as OSError, a process that ended, waited for or not; looks again at one that is just becoming another program."""
    for _ in range(LOOKS):
        os.readlink(f"/proc/{pid}/exe")
        if environment := Path(f"/proc/{pid}/environ").read_bytes():
            return environment
        time.sleep(0.005)
    return b""


def all_of(run_folder: Path) -> list[int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if lives(pid, run_folder)]


def end_all(run_folder: Path) -> None:
    while pids := all_of(run_folder):
        end(pids, run_folder)


def end(pids: list[int], run_folder: Path, how: signal.Signals = signal.SIGTERM) -> None:
    """Returns once they are gone; those that ignore the signal for too long are killed."""
    signal_each(pids, run_folder, how)
    if left := still_there(pids, run_folder):
        signal_each(left, run_folder, signal.SIGKILL)
        if left := still_there(left, run_folder):
            raise Failed(f"processes {left} do not end")


def signal_each(pids: list[int], run_folder: Path, how: signal.Signals) -> None:
    for pid in pids:
        if lives(pid, run_folder):
            os.kill(pid, how)


def still_there(pids: list[int], run_folder: Path) -> list[int]:
    deadline = time.monotonic() + STOP_SECONDS
    while (left := [pid for pid in pids if lives(pid, run_folder)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
