"""The SQL engine on every back end: whole transactions or none, aborted ones done again, a silent server told at once."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.refusals import Unavailable
from shared.kit.engines import WRITERS
from shared.kit.ids import new_id
from shared.kit.retry import ATTEMPTS, TransactionAborted, retry_transaction
from shared.kit.sql import Database, Id, UtcDateTime, insert_if_absent
from tests.contract.sql import NUMBERS, opened

INSTANTS = Table("instants", MetaData(), Column("id", Id, primary_key=True), Column("at", UtcDateTime))


@pytest.fixture
async def database(sql_url: str) -> AsyncIterator[Database]:
    async with opened(sql_url) as found:
        yield found


async def put(database: Database, name: str, value: int) -> None:
    async with database.write() as connection:
        await connection.execute(insert(NUMBERS).values(name=name, value=value))


async def numbers(database: Database) -> dict[str, int]:
    async with database.read() as connection:
        return {row.name: row.value for row in await connection.execute(select(NUMBERS))}


async def test_an_exception_undoes_all_of_it(database: Database) -> None:
    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(insert(NUMBERS).values(name="a", value=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write()
    assert await numbers(database) == {}


async def test_a_cancelled_task_undoes_all_of_it(database: Database) -> None:
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
    assert await numbers(database) == {}
    await put(database, "b", 2)


async def test_a_transaction_that_is_cancelled_at_any_step_ends_so_and_gives_its_connection_back(database: Database) -> None:
    ends = set[type[BaseException] | None]()
    for steps in range(60):
        task = asyncio.create_task(put(database, str(steps), steps))
        await asyncio.wait([task], timeout=steps * 0.0002)
        task.cancel()
        ends |= {type(end) if end else None for end in await asyncio.gather(task, return_exceptions=True)}
    assert ends <= {asyncio.CancelledError, None}
    async with asyncio.timeout(10):
        await asyncio.gather(*(put(database, f"after {number}", number) for number in range(30)))


async def test_a_key_that_is_taken_is_told_and_the_transaction_goes_on(database: Database) -> None:
    async with database.write() as connection:
        first = await insert_if_absent(connection, insert(NUMBERS).values(name="a", value=1))
        second = await insert_if_absent(connection, insert(NUMBERS).values(name="a", value=2))
        await connection.execute(insert(NUMBERS).values(name="b", value=3))
    assert (first, second, await numbers(database)) == (True, False, {"a": 1, "b": 3})


async def test_names_are_compared_byte_by_byte(database: Database) -> None:
    for name in ("admin", "Admin", "\u00e1dmin", "admin\u0301"):
        await put(database, name, 1)
    assert len(await numbers(database)) == 4


async def test_read_then_write_by_many_loses_nothing(database: Database) -> None:
    await put(database, "a", 0)

    async def add_one() -> None:
        async with database.write() as connection:
            row = (await connection.execute(select(NUMBERS).where(NUMBERS.c.name == "a").with_for_update())).one()
            await connection.execute(update(NUMBERS).values(value=row.value + 1))

    await asyncio.gather(*(retry_transaction(add_one) for _ in range(30)))
    assert await numbers(database) == {"a": 30}


async def test_instants_come_back_aware_and_to_the_microsecond(database: Database) -> None:
    at = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
    async with database.write() as connection:
        await connection.run_sync(INSTANTS.metadata.create_all)
        await connection.execute(insert(INSTANTS).values(id=new_id(), at=at))
        found = (await connection.execute(select(INSTANTS.c.at))).scalar_one()
    assert (found, found.tzinfo) == (at, UTC)


async def test_a_naive_instant_is_a_bug(database: Database) -> None:
    async def write() -> None:
        async with database.write() as connection:
            await connection.run_sync(INSTANTS.metadata.create_all)
            await connection.execute(insert(INSTANTS).values(id=new_id(), at=datetime(2026, 3, 1)))  # noqa: DTZ001

    with pytest.raises(StatementError, match="naive"):
        await write()


async def both_ways(database: Database, meet: asyncio.Barrier, *names: str) -> None:
    async with database.write() as connection:
        for name in names:
            await connection.execute(update(NUMBERS).where(NUMBERS.c.name == name).values(value=NUMBERS.c.value + 1))
            with suppress(TimeoutError, asyncio.BrokenBarrierError):
                await asyncio.wait_for(meet.wait(), 0.2)  # both hold their first row before either asks for its second


async def test_a_real_deadlock_is_an_aborted_transaction(mysql_url: str) -> None:
    async with opened(mysql_url) as database:
        await put(database, "a", 0)
        await put(database, "b", 0)
        meet = asyncio.Barrier(2)
        ended = await asyncio.gather(both_ways(database, meet, "a", "b"), both_ways(database, meet, "b", "a"), return_exceptions=True)
        assert [type(end) for end in ended if end is not None] == [TransactionAborted]
        assert await numbers(database) == {"a": 1, "b": 1}


async def test_a_deadlocked_transaction_succeeds_when_done_again(mysql_url: str) -> None:
    async with opened(mysql_url) as database:
        await put(database, "a", 0)
        await put(database, "b", 0)
        runs, meet = 0, asyncio.Barrier(2)

        async def once(*names: str) -> None:
            nonlocal runs
            runs += 1
            await both_ways(database, meet, *names)

        await asyncio.gather(retry_transaction(lambda: once("a", "b")), retry_transaction(lambda: once("b", "a")))
        assert await numbers(database) == {"a": 2, "b": 2}
        assert runs >= 3, "one of them was undone and done again"


async def wait_for_its_lock(database: Database) -> None:
    async with database.write() as waiter:
        await waiter.execute(text("SET SESSION innodb_lock_wait_timeout=1"))
        await waiter.execute(insert(NUMBERS).values(name="b", value=1))
        await waiter.execute(update(NUMBERS).where(NUMBERS.c.name == "a").values(value=2))


async def test_a_lock_that_is_held_too_long_aborts_the_waiter_whole(mysql_url: str) -> None:
    async with opened(mysql_url) as database:
        await put(database, "a", 0)
        async with database.write() as holder:
            await holder.execute(update(NUMBERS).values(value=1))
            with pytest.raises(TransactionAborted):
                await wait_for_its_lock(database)
        assert await numbers(database) == {"a": 1}


async def test_what_is_aborted_for_ever_is_given_up() -> None:
    runs = 0

    async def hopeless() -> None:
        nonlocal runs
        runs += 1
        raise TransactionAborted

    with pytest.raises(Unavailable):
        await retry_transaction(hopeless)
    assert runs == ATTEMPTS


def a_free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    async with Database(f"mysql+aiomysql://nobody:x@127.0.0.1:{a_free_port()}/none") as database:
        started = time.monotonic()
        for use in (database.check, lambda: put(database, "a", 1)):
            with pytest.raises(Unavailable):
                await use()
        assert time.monotonic() - started < 5


async def kill(url: str, number: int) -> None:
    async with Database(url) as other, other.write() as connection:
        await connection.execute(text(f"KILL {number}"))


async def own_number(connection: AsyncConnection) -> int:
    return int((await connection.execute(text("SELECT CONNECTION_ID()"))).scalar_one())


async def test_a_connection_that_the_server_closed_is_replaced(mysql_url: str) -> None:
    async with opened(mysql_url) as database:
        async with database.read() as connection:
            number = await own_number(connection)
        await kill(mysql_url, number)
        await database.check()
        await put(database, "a", 1)
        assert await numbers(database) == {"a": 1}


async def lose_the_connection(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(NUMBERS).values(name="a", value=1))
        await kill(database.url, await own_number(connection))
        await connection.execute(insert(NUMBERS).values(name="b", value=1))


async def test_a_connection_lost_in_the_middle_leaves_nothing_and_is_done_again(mysql_url: str) -> None:
    async with opened(mysql_url) as database:
        with pytest.raises(TransactionAborted):
            await lose_the_connection(database)
        assert await numbers(database) == {}


async def test_work_that_was_given_up_leaves_nothing_and_no_connection_behind(mysql_url: str) -> None:
    async def too_long(database: Database) -> None:
        async with asyncio.timeout(0.2), database.write() as connection:
            await connection.execute(insert(NUMBERS).values(name="a", value=1))
            await connection.execute(text("SELECT SLEEP(3)"))

    async with opened(mysql_url) as database:
        given_up = await asyncio.gather(*(too_long(database) for _ in range(WRITERS)), return_exceptions=True)
        assert {type(end) for end in given_up} == {TimeoutError}
        await asyncio.gather(*(database.check() for _ in range(3 * WRITERS)))
        assert await numbers(database) == {}


async def test_a_file_that_cannot_be_opened_is_unavailable() -> None:
    async with Database("sqlite+aiosqlite:////no/such/folder/x.db") as database:
        with pytest.raises(Unavailable):
            await database.check()
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 5)  # it has a last word for this loop


async def test_all_that_one_look_sees_stood_at_one_moment(sql_url: str) -> None:
    async with opened(sql_url) as database:
        await put(database, "a", 1)
        async with database.read() as connection:
            looks = [(await connection.execute(select(NUMBERS.c.name))).scalars().all()]
            await put(database, "b", 2)
            looks.append((await connection.execute(select(NUMBERS.c.name))).scalars().all())
        assert looks == [["a"], ["a"]]
        assert await numbers(database) == {"a": 1, "b": 2}


async def test_on_sqlite_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/test.db") as database:
        await put(database, "a", 1)
        async with database.write() as connection:
            await connection.execute(update(NUMBERS).values(value=2))
            assert await asyncio.wait_for(numbers(database), 5) == {"a": 1}
        assert await numbers(database) == {"a": 2}


async def test_a_writer_does_not_hold_the_others_for_ever(sql_url: str) -> None:
    async with opened(sql_url) as database:
        started = time.monotonic()
        await asyncio.gather(*(put(database, str(number), number) for number in range(50)))
        assert (len(await numbers(database)), time.monotonic() - started < 30) == (50, True)


SLOW = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) SELECT count(*) FROM n"


async def test_a_statement_that_is_cancelled_leaves_no_lock(tmp_path: Path) -> None:
    async def slowly(database: Database) -> None:
        async with database.write() as connection:
            await connection.execute(insert(NUMBERS).values(name="a", value=1))
            await connection.execute(text(SLOW))
            raise RuntimeError

    async with opened(f"sqlite+aiosqlite:///{tmp_path}/test.db") as database:
        kept: list[BaseException | None] = []  # the exceptions hold the frames, and the frames what they had open
        for steps in range(0, 60, 3):
            task = asyncio.create_task(slowly(database))
            for _ in range(steps):
                await asyncio.sleep(0)
            await asyncio.wait([task], timeout=0.002)
            task.cancel()
            kept += await asyncio.gather(task, return_exceptions=True)
            started = time.monotonic()
            await retry_transaction(partial(put, database, str(steps), steps))
            assert time.monotonic() - started < 4
        assert any(isinstance(end, asyncio.CancelledError) for end in kept)
        assert "a" not in await numbers(database)
