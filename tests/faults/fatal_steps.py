"""Kills a process with SIGKILL at a chosen step of its work."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection


class FatalStep:
    """Counts the steps since it was armed, and kills this process at the `fatal` one.

    The steps are the commits of the writing connection, and the moments before and after each delivery. A kill before a commit also stands
    for one at any moment since the step before, because nothing of it was stored.
    """

    def __init__(self, fatal: int) -> None:
        self.fatal, self.count, self.is_armed = fatal, 0, False

    def commit(self, connection: Connection) -> None:
        """Count the commit of the only connection that writes."""
        if connection.engine.pool.size() == 1:  # type: ignore[attr-defined]
            self()

    def __call__(self) -> None:
        self.count += self.is_armed
        if self.is_armed and self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def run_in_child(work: Callable[[], Coroutine[Any, Any, None]], started: Callable[[int], None] = lambda _: None) -> int:
    """Run `work` in a forked process; return the signal that ended it, or 0. Raises AssertionError when it failed otherwise."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            asyncio.run(work())
            code = 0
        finally:
            os._exit(code)
    started(pid)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def kill_at_each_step(
    prepared: Path, work: Callable[[Path, FatalStep], Coroutine[Any, Any, None]], max_steps: int
) -> Iterator[tuple[int, Path]]:
    """Run `work` again and again with new copies of a prepared folder, each time killed one step later, and yield the step and the folder.

    The last run ends by itself. Raises AssertionError when none of `max_steps` runs does.
    """
    for fatal in range(1, max_steps + 1):
        folder = prepared.parent / str(fatal)
        shutil.copytree(prepared, folder)
        killed_by = run_in_child(partial(work, folder, FatalStep(fatal)))
        yield fatal, folder
        if not killed_by:
            return
    raise AssertionError(f"there are more than {max_steps} steps")
