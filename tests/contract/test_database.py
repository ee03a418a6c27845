"""`Database` on every SQL server: transactions happen whole or not at all, aborted ones can run again, and a dead server is noticed."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading
import time
import types
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.refusals import Unavailable
from shared.kit.engines import WRITER_CONNECTIONS
from shared.kit.ids import new_id
from shared.kit.retry import MAX_ATTEMPTS, TransactionAborted, retry_transaction
from shared.kit.sql import Database, Id, UtcDateTime, insert_if_absent
from tests.contract.sql import NUMBERS, open_database

INSTANTS = Table("instants", MetaData(), Column("id", Id, primary_key=True), Column("at", UtcDateTime))


@pytest.fixture
async def database(sql_url: str) -> AsyncIterator[Database]:
    async with open_database(sql_url) as database:
        yield database


async def insert_number(database: Database, name: str, value: int) -> None:
    async with database.write() as connection:
        await connection.execute(insert(NUMBERS).values(name=name, value=value))


async def read_numbers(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        return {row.name: row.value for row in await connection.execute(select(NUMBERS))}


async def test_an_exception_rolls_the_transaction_back(database: Database) -> None:
    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(insert(NUMBERS).values(name="a", value=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write()
    assert await read_numbers(database) == {}


async def test_a_cancelled_task_rolls_its_transaction_back(database: Database) -> None:
    inside = asyncio.Event()

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(insert(NUMBERS).values(name="a", value=1))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await read_numbers(database) == {}
    await insert_number(database, "b", 2)


async def test_a_cancellation_at_any_step_is_not_logged_as_an_error(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    await insert_number(database, "first", 0)
    step = 0
    while await is_cancelled_at(step, insert_number(database, str(step), step)):
        await insert_number(database, f"after {step}", step)
        step += 1
    assert step >= 2, "the statement and the commit"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def is_cancelled_at(step: int, coroutine: Coroutine[Any, Any, None]) -> bool:
    """Run a coroutine and cancel it where it waits for the time with the number `step`. Returns False if it ends before."""
    try:
        await _cancel_at(step, coroutine)
    except asyncio.CancelledError:
        return True
    return False


@types.coroutine
def _cancel_at(step: int, coroutine: Coroutine[Any, Any, None]) -> Generator[Any, None, None]:
    error: BaseException | None = None
    for number in itertools.count():
        try:
            future = coroutine.throw(error) if error else coroutine.send(None)
        except StopIteration:
            return
        error = None
        try:
            yield future
        except BaseException as failure:
            error = failure
        if number == step:
            error = asyncio.CancelledError()


async def test_a_transaction_can_be_cancelled_at_any_step_and_returns_its_connection(database: Database) -> None:
    ends = set[type[BaseException] | None]()
    for steps in range(60):
        task = asyncio.create_task(insert_number(database, str(steps), steps))
        await asyncio.wait([task], timeout=steps * 0.0002)
        task.cancel()
        ends |= {type(end) if end else None for end in await asyncio.gather(task, return_exceptions=True)}
    assert ends <= {asyncio.CancelledError, None}
    async with asyncio.timeout(10):
        await asyncio.gather(*(insert_number(database, f"after {number}", number) for number in range(30)))


async def test_a_duplicate_key_is_reported_and_the_transaction_goes_on(database: Database) -> None:
    async with database.write() as connection:
        first = await insert_if_absent(connection, insert(NUMBERS).values(name="a", value=1))
        second = await insert_if_absent(connection, insert(NUMBERS).values(name="a", value=2))
        await connection.execute(insert(NUMBERS).values(name="b", value=3))
    assert (first, second, await read_numbers(database)) == (True, False, {"a": 1, "b": 3})


async def test_names_are_compared_byte_by_byte(database: Database) -> None:
    for name in ("admin", "Admin", "\u00e1dmin", "admin\u0301"):
        await insert_number(database, name, 1)
    assert len(await read_numbers(database)) == 4


async def test_many_concurrent_increments_lose_no_update(database: Database) -> None:
    await insert_number(database, "a", 0)

    async def add_one() -> None:
        async with database.write() as connection:
            row = (await connection.execute(select(NUMBERS).where(NUMBERS.c.name == "a").with_for_update())).one()
            await connection.execute(update(NUMBERS).values(value=row.value + 1))

    await asyncio.gather(*(retry_transaction(add_one) for _ in range(30)))
    assert await read_numbers(database) == {"a": 30}


async def test_instants_are_read_back_aware_and_to_the_microsecond(database: Database) -> None:
    at = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
    async with database.write() as connection:
        await connection.run_sync(INSTANTS.metadata.create_all)
        await connection.execute(insert(INSTANTS).values(id=new_id(), at=at))
        instant = (await connection.execute(select(INSTANTS.c.at))).scalar_one()
    assert (instant, instant.tzinfo) == (at, UTC)


async def test_a_naive_instant_is_an_error(database: Database) -> None:
    async def write() -> None:
        async with database.write() as connection:
            await connection.run_sync(INSTANTS.metadata.create_all)
            await connection.execute(insert(INSTANTS).values(id=new_id(), at=datetime(2026, 3, 1)))  # noqa: DTZ001

    with pytest.raises(StatementError, match="naive"):
        await write()


async def update_in_order(database: Database, barrier: asyncio.Barrier, *names: str) -> None:
    async with database.write() as connection:
        for name in names:
            await connection.execute(update(NUMBERS).where(NUMBERS.c.name == name).values(value=NUMBERS.c.value + 1))
            with suppress(TimeoutError, asyncio.BrokenBarrierError):
                await asyncio.wait_for(barrier.wait(), 0.2)  # both lock their first row before either waits for its second


async def test_a_deadlock_aborts_one_transaction(mysql_url: str) -> None:
    async with open_database(mysql_url) as database:
        await insert_number(database, "a", 0)
        await insert_number(database, "b", 0)
        barrier = asyncio.Barrier(2)
        ended = await asyncio.gather(
            update_in_order(database, barrier, "a", "b"), update_in_order(database, barrier, "b", "a"), return_exceptions=True
        )
        assert [type(end) for end in ended if end is not None] == [TransactionAborted]
        assert await read_numbers(database) == {"a": 1, "b": 1}


async def test_a_deadlocked_transaction_succeeds_when_it_is_retried(mysql_url: str) -> None:
    async with open_database(mysql_url) as database:
        await insert_number(database, "a", 0)
        await insert_number(database, "b", 0)
        runs, barrier = 0, asyncio.Barrier(2)

        async def count_and_update(*names: str) -> None:
            nonlocal runs
            runs += 1
            await update_in_order(database, barrier, *names)

        await asyncio.gather(retry_transaction(lambda: count_and_update("a", "b")), retry_transaction(lambda: count_and_update("b", "a")))
        assert await read_numbers(database) == {"a": 2, "b": 2}
        assert runs >= 3, "one of them was rolled back and retried"


async def wait_for_lock(database: Database) -> None:
    async with database.write() as waiter:
        await waiter.execute(text("SET SESSION innodb_lock_wait_timeout=1"))
        await waiter.execute(insert(NUMBERS).values(name="b", value=1))
        await waiter.execute(update(NUMBERS).where(NUMBERS.c.name == "a").values(value=2))


async def test_a_lock_wait_that_takes_too_long_aborts_the_waiting_transaction(mysql_url: str) -> None:
    async with open_database(mysql_url) as database:
        await insert_number(database, "a", 0)
        async with database.write() as holder:
            await holder.execute(update(NUMBERS).values(value=1))
            with pytest.raises(TransactionAborted):
                await wait_for_lock(database)
        assert await read_numbers(database) == {"a": 1}


async def test_a_transaction_that_is_always_aborted_is_given_up() -> None:
    runs = 0

    async def always_abort() -> None:
        nonlocal runs
        runs += 1
        raise TransactionAborted

    with pytest.raises(Unavailable):
        await retry_transaction(always_abort)
    assert runs == MAX_ATTEMPTS


def a_free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


async def test_a_missing_server_is_reported_at_once() -> None:
    async with Database(f"mysql+aiomysql://nobody:x@127.0.0.1:{a_free_port()}/none") as database:
        started = time.monotonic()
        for use in (database.check, lambda: insert_number(database, "a", 1)):
            with pytest.raises(Unavailable):
                await use()
        assert time.monotonic() - started < 5


async def kill_connection(url: str, number: int) -> None:
    async with Database(url) as other, other.write() as connection:
        await connection.execute(text(f"KILL {number}"))


async def connection_id(connection: AsyncConnection) -> int:
    return int((await connection.execute(text("SELECT CONNECTION_ID()"))).scalar_one())


async def test_a_connection_that_the_server_closed_is_replaced(mysql_url: str) -> None:
    async with open_database(mysql_url) as database:
        async with database.read() as connection:
            number = await connection_id(connection)
        await kill_connection(mysql_url, number)
        await database.check()
        await insert_number(database, "a", 1)
        assert await read_numbers(database) == {"a": 1}


async def lose_the_connection(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(NUMBERS).values(name="a", value=1))
        await kill_connection(database.url, await connection_id(connection))
        await connection.execute(insert(NUMBERS).values(name="b", value=1))


async def test_a_connection_that_is_lost_before_the_commit_aborts_the_transaction(mysql_url: str) -> None:
    async with open_database(mysql_url) as database:
        with pytest.raises(TransactionAborted):
            await lose_the_connection(database)
        assert await read_numbers(database) == {}


async def test_transactions_that_time_out_return_their_connections(mysql_url: str) -> None:
    async def run_too_long(database: Database) -> None:
        async with asyncio.timeout(0.2), database.write() as connection:
            await connection.execute(insert(NUMBERS).values(name="a", value=1))
            await connection.execute(text("SELECT SLEEP(3)"))

    async with open_database(mysql_url) as database:
        ends = await asyncio.gather(*(run_too_long(database) for _ in range(WRITER_CONNECTIONS)), return_exceptions=True)
        assert {type(end) for end in ends} == {TimeoutError}
        await asyncio.gather(*(database.check() for _ in range(3 * WRITER_CONNECTIONS)))
        assert await read_numbers(database) == {}


async def test_a_file_that_cannot_be_opened_is_unavailable() -> None:
    async with Database("sqlite+aiosqlite:////no/such/folder/x.db") as database:
        with pytest.raises(Unavailable):
            await database.check()
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 5)  # its thread still calls this event loop


async def test_all_statements_of_a_read_see_the_same_moment(sql_url: str) -> None:
    async with open_database(sql_url) as database:
        await insert_number(database, "a", 1)
        async with database.read() as connection:
            results = [(await connection.execute(select(NUMBERS.c.name))).scalars().all()]
            await insert_number(database, "b", 2)
            results.append((await connection.execute(select(NUMBERS.c.name))).scalars().all())
        assert results == [["a"], ["a"]]
        assert await read_numbers(database) == {"a": 1, "b": 2}


async def test_on_sqlite_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/test.db") as database:
        await insert_number(database, "a", 1)
        async with database.write() as connection:
            await connection.execute(update(NUMBERS).values(value=2))
            assert await asyncio.wait_for(read_numbers(database), 5) == {"a": 1}
        assert await read_numbers(database) == {"a": 2}


async def test_many_waiting_writers_all_get_their_turn(sql_url: str) -> None:
    async with open_database(sql_url) as database:
        started = time.monotonic()
        await asyncio.gather(*(insert_number(database, str(number), number) for number in range(50)))
        assert (len(await read_numbers(database)), time.monotonic() - started < 30) == (50, True)


SLOW_QUERY = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) SELECT count(*) FROM n"


async def test_a_cancelled_statement_leaves_no_lock(tmp_path: Path) -> None:
    async def slowly(database: Database) -> None:
        async with database.write() as connection:
            await connection.execute(insert(NUMBERS).values(name="a", value=1))
            await connection.execute(text(SLOW_QUERY))
            raise RuntimeError

    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/test.db") as database:
        ends: list[BaseException | None] = []  # the exceptions keep their frames alive, and so the cursors
        for steps in range(0, 60, 3):
            task = asyncio.create_task(slowly(database))
            for _ in range(steps):
                await asyncio.sleep(0)
            await asyncio.wait([task], timeout=0.002)
            task.cancel()
            ends += await asyncio.gather(task, return_exceptions=True)
            started = time.monotonic()
            await retry_transaction(partial(insert_number, database, str(steps), steps))
            assert time.monotonic() - started < 4
        assert any(isinstance(end, asyncio.CancelledError) for end in ends)
        assert "a" not in await read_numbers(database)
