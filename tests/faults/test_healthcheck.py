"""The health check of the containers ends a server that answers nothing, and no other. The process above the server stands for Docker's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from careslot.cli import app as command_line
from tests.platform.houses import free_port, wait_until

ROOT = Path(__file__).parents[2]
LIMIT = 3  # checks in a row without an answer after which the server is ended


class ContainerProcesses:
    """A server below an init process, as in a container, and the health check that Docker would run."""

    def __init__(self, folder: Path) -> None:
        self.port, self._counts, self._log = free_port(), folder / "counts", folder / "log"
        self.url = f"http://127.0.0.1:{self.port}"
        server = f"{sys.executable} -m uvicorn tests.faults.blockable_app:app --port {self.port} --log-level warning"
        with self._log.open("a") as log:
            environment = os.environ | {"PYTHONFAULTHANDLER": "1"}
            init = ["bash", "-c", f"{server} & echo $! >{folder}/pid; wait $!"]
            self._init = subprocess.Popen(init, stderr=log, env=environment, cwd=ROOT, start_new_session=True)
        wait_until(lambda: httpx.get(f"{self.url}/livez").is_success)
        self.server = int((folder / "pid").read_text())

    def check(self, timeout: float | None = None) -> int | None:
        """Run the health check once and return its exit code, or None if it takes longer than `timeout` seconds and is killed."""
        script = ["bash", str(ROOT / "deploy" / "healthcheck.sh"), str(self.port), str(self._counts), str(self._init.pid)]
        try:
            return subprocess.run(script, capture_output=True, check=False, timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            return None

    def has_ended(self) -> bool:
        return self._init.poll() is not None

    def log(self) -> str:
        return self._log.read_text()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._init.pid, signal.SIGKILL)
        self._init.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ContainerProcesses]:
    processes = ContainerProcesses(tmp_path)
    yield processes
    processes.end()


def test_a_server_that_is_ready_is_healthy(processes: ContainerProcesses) -> None:
    assert [processes.check() for _ in range(2 * LIMIT)] == [0] * 2 * LIMIT
    assert not processes.has_ended()


@pytest.mark.parametrize(("path", "checks"), [("/become-unready", 2 * LIMIT), ("/become-slow", LIMIT)])
def test_a_server_that_runs_but_is_not_ready_is_unhealthy_and_left_alone(processes: ContainerProcesses, path: str, checks: int) -> None:
    httpx.get(f"{processes.url}{path}")
    assert [processes.check() for _ in range(checks)] == [1] * checks
    assert not processes.has_ended()


def test_a_server_that_does_not_accept_connections_yet_is_unhealthy_and_left_alone(processes: ContainerProcesses) -> None:
    processes.port = free_port()
    assert [processes.check() for _ in range(2 * LIMIT)] == [1] * 2 * LIMIT
    assert not processes.has_ended()


def test_a_server_whose_event_loop_is_blocked_is_ended_and_the_log_says_where(processes: ContainerProcesses) -> None:
    with suppress(httpx.TimeoutException):
        httpx.get(f"{processes.url}/block-the-event-loop", timeout=0.5)
    for _ in range(LIMIT):
        assert not processes.has_ended()
        assert processes.check() == 1
    wait_until(processes.has_ended)
    assert "server_ended_by_health_check" in processes.log()
    assert "in block_the_event_loop" in processes.log()


def test_a_stopped_server_is_ended(processes: ContainerProcesses) -> None:
    os.kill(processes.server, signal.SIGSTOP)
    for _ in range(LIMIT):
        assert not processes.has_ended()
        assert processes.check() == 1
    wait_until(processes.has_ended)


def test_an_answer_in_between_starts_the_count_again(processes: ContainerProcesses) -> None:
    for _ in range(2):
        os.kill(processes.server, signal.SIGSTOP)
        assert [processes.check() for _ in range(LIMIT - 1)] == [1] * (LIMIT - 1)
        os.kill(processes.server, signal.SIGCONT)
        assert processes.check() == 0
    assert not processes.has_ended()


def test_checks_that_take_too_long_and_are_killed_count_as_well(processes: ContainerProcesses) -> None:
    os.kill(processes.server, signal.SIGSTOP)
    assert [processes.check(timeout=0.5) for _ in range(LIMIT)] == [None] * LIMIT
    assert not processes.has_ended()
    assert processes.check() == 1
    wait_until(processes.has_ended)


def test_the_command_tells_ready_from_not_ready_and_from_no_answer(processes: ContainerProcesses) -> None:
    def run() -> tuple[int, str]:
        result = CliRunner().invoke(command_line, ["healthcheck", "--url", processes.url])
        return result.exit_code, result.output

    assert run() == (0, f"{processes.url} ready\n")
    httpx.get(f"{processes.url}/become-unready")
    assert run()[0] == 1
    os.kill(processes.server, signal.SIGSTOP)
    assert run() == (2, f"{processes.url} does not answer\n")
