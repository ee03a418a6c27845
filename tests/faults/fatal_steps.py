"""Kills a process with SIGKILL at a chosen step of its work."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
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
