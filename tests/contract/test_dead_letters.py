"""Dead letters on every bus and in every database: moved without loss, listed, and replayed to one queue until the event is handled."""

from __future__ import annotations

import asyncio
import functools
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from appointment_svc.migrations import migrate as migrate_appointments
from appointment_svc.repository.mongo import open_database as open_mongo
from appointment_svc.repository.mongo_dead_letters import MongoDeadLetterStore
from shared.contracts.dead_letters import DeadLetterStatus
from shared.contracts.refusals import Unavailable
from shared.contracts.relayed_refusals import NoSuchDeadLetter
from shared.kit.bus import Bus, InvalidMessage
from shared.kit.clock import MovableClock, system_clock
from shared.kit.cursors import BadCursor, PageRequest, decode_cursor
from shared.kit.dead_letters import RETENTION, DeadLetter, DeadLetters, DeadLetterStore
from shared.kit.dead_messages import DeadMessage, KeepDeadMessage, error_summary, without_text
from shared.kit.sql_dead_letters import SqlDeadLetterStore
from tests.contract.buses import (
    DELAYS,
    Broker,
    EmbeddedBroker,
    PasswordChanged,
    RabbitBroker,
    RecordingBus,
    RecordingHandler,
    an_event,
    publish,
    wait_until,
)
from tests.contract.sql import INFRASTRUCTURE, open_database

WAITING, REPLAYED = DeadLetterStatus.WAITING, DeadLetterStatus.REPLAYED
ALL_ATTEMPTS = len(DELAYS) + 1


@pytest.fixture(params=["embedded", pytest.param("rabbit", marks=pytest.mark.needs_servers("AMQP"))])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    if request.param == "embedded":
        yield EmbeddedBroker(tmp_path)
        return
    rabbit = RabbitBroker(request.getfixturevalue("amqp_url"))
    yield rabbit
    await rabbit.delete_queues()


@pytest.fixture
def queue(broker: Broker) -> str:
    return f"{broker.name}.a"


@asynccontextmanager
async def sqlite_store(folder: Path) -> AsyncIterator[DeadLetterStore]:
    async with open_database(f"sqlite+aiosqlite:///{folder / 'letters.db'}") as database:
        yield SqlDeadLetterStore(database, INFRASTRUCTURE)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DeadLetterStore]:
    async with sqlite_store(tmp_path) as opened:
        yield opened


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("mysql", marks=pytest.mark.needs_servers("MYSQL")),
        pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO")),
    ]
)
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DeadLetterStore]:
    """The store of letters in every database that a service can have."""
    if request.param == "mongo":
        url = request.getfixturevalue("mongo_url")
        migrate_appointments(url)
        async with open_mongo(url) as mongo:
            yield MongoDeadLetterStore(mongo)
        return
    url = f"sqlite+aiosqlite:///{tmp_path / 'any.db'}" if request.param == "sqlite" else request.getfixturevalue("mysql_url")
    async with open_database(url) as database:
        yield SqlDeadLetterStore(database, INFRASTRUCTURE)


@dataclass
class ServiceWithLetters:
    """A service with one queue, as the runtime wires it. `counted` counts letters by topic."""

    bus: Bus
    queue: str
    store: DeadLetterStore
    handler: RecordingHandler
    clock: MovableClock = field(default_factory=MovableClock)
    counted: Counter[str] = field(default_factory=Counter)

    @property
    def letters(self) -> DeadLetters:
        return DeadLetters(self.store, self.bus, self.queue, self.clock, lambda topic: self.counted.update([topic]))

    async def subscribe(self, keep_dead: KeepDeadMessage | None = None) -> None:
        await self.bus.subscribe(self.queue, {PasswordChanged: self.handler}, keep_dead or self.letters.keep)

    async def list_letters(self) -> list[DeadLetter]:
        return (await self.letters.list_page(None, PageRequest(100))).items

    async def wait_for(self, condition: Callable[[list[DeadLetter]], object]) -> list[DeadLetter]:
        """Return the letters once they fulfil the condition."""

        async def is_fulfilled() -> bool:
            return bool(condition(await self.list_letters()))

        await wait_until(is_fulfilled, seconds=20)
        return await self.list_letters()


def is_waiting_after(replays: int, letters: list[DeadLetter]) -> bool:
    return (letters[0].status, letters[0].replays) == (WAITING, replays)


def a_letter(number: int = 1, **changes: object) -> DeadLetter:
    message = DeadMessage(f"m{number}", f"body {number}".encode(), "KeyError", 3, died_at=system_clock())
    letter = DeadLetter.from_message("q", message, system_clock())
    return replace(letter, **changes)  # type: ignore[arg-type]


async def test_a_letter_is_stored_once_and_read_as_it_was(any_store: DeadLetterStore) -> None:
    letter = a_letter(event_id=uuid4(), topic="password.changed.v1", subject="s", body=b"\x00\xff")
    assert await any_store.insert(letter)
    assert not await any_store.insert(replace(letter, error="other"))
    assert await any_store.find(letter.id) == letter
    assert await any_store.find(uuid4()) is None


async def test_a_letter_is_replaced_only_as_it_was_read(any_store: DeadLetterStore) -> None:
    letter = a_letter()
    await any_store.insert(letter)
    replayed = letter.mark_replayed(1, letter.died_at)
    assert await any_store.replace(letter, replayed)
    assert not await any_store.replace(letter, letter.mark_replayed(2, letter.died_at))
    assert await any_store.find(letter.id) == replayed


async def test_pages_show_every_letter_once_the_newest_first_also_within_one_second(any_store: DeadLetterStore) -> None:
    now = system_clock().replace(microsecond=0)
    letters = [a_letter(number, died_at=now - timedelta(seconds=number // 3)) for number in range(10)]
    for letter in letters:
        await any_store.insert(letter)
    use_case = DeadLetters(any_store, RecordingBus(), "q", MovableClock(), lambda topic: None)
    listed, after = list[DeadLetter](), None
    while True:
        page = await use_case.list_page(None, PageRequest(3, after))
        listed += page.items
        if page.next is None:
            break
        after = decode_cursor(page.next)
    assert listed == sorted(letters, key=lambda letter: (letter.died_at, letter.id), reverse=True)


async def test_a_list_can_be_of_one_topic_and_takes_only_its_own_cursors(any_store: DeadLetterStore) -> None:
    await any_store.insert(a_letter(1, topic="a.b.v1"))
    other = a_letter(2, topic="c.d.v1")
    await any_store.insert(other)
    use_case = DeadLetters(any_store, RecordingBus(), "q", MovableClock(), lambda topic: None)
    assert (await use_case.list_page("c.d.v1", PageRequest())).items == [other]
    with pytest.raises(BadCursor):
        await use_case.list_page(None, PageRequest(25, ("x", "y")))


async def test_only_letters_that_were_replayed_long_ago_are_deleted(any_store: DeadLetterStore) -> None:
    clock = MovableClock(running=False)
    long_ago, lately = clock() - RETENTION - timedelta(seconds=1), clock() - RETENTION + timedelta(seconds=1)
    waiting, old, new = (a_letter(number, died_at=long_ago.replace(microsecond=0)) for number in range(3))
    for letter in (waiting, old.mark_replayed(1, long_ago), new.mark_replayed(1, lately)):
        await any_store.insert(letter)
    await DeadLetters(any_store, RecordingBus(), "q", clock, lambda topic: None).prune()
    assert await any_store.find(old.id) is None
    assert await any_store.find(waiting.id) == waiting
    assert await any_store.find(new.id) is not None


async def test_an_event_that_is_given_up_is_moved_into_the_database(broker: Broker, queue: str, store: DeadLetterStore) -> None:
    async with broker.open() as bus:
        service, event = ServiceWithLetters(bus, queue, store, RecordingHandler(failures=1000)), an_event()
        await service.subscribe()
        await publish(bus, event)
        (letter,) = await service.wait_for(lambda letters: letters and service.counted)
        assert (letter.event_id, letter.topic, letter.subject) == (event.id, event.topic, str(event.account_id))
        assert (letter.status, letter.attempts, letter.replays) == (WAITING, ALL_ATTEMPTS, 0)
        assert letter.error.startswith("RuntimeError at tests.contract.buses:__call__")
        assert service.counted == {event.topic: 1}
    assert await broker.dead_letters(queue) == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"[" * 5000, b'{"id": 1, "type": 2}', b'{"type": "no.such.v1", "id": "x"}'])
async def test_a_message_without_readable_event_is_moved_too(broker: Broker, queue: str, store: DeadLetterStore, body: bytes) -> None:
    async with broker.open() as bus:
        service = ServiceWithLetters(bus, queue, store, RecordingHandler())
        await service.subscribe()
        for _ in range(2):
            await bus.publish(PasswordChanged.topic, "m1", body)
        (letter,) = await service.wait_for(lambda letters: letters and service.counted)
        assert (letter.event_id, letter.topic, letter.subject, letter.body) == (None, None, None, body)
        assert letter.error.startswith("InvalidMessage")
        assert service.counted == {"unreadable": 1}


async def test_letters_are_kept_by_the_bus_while_the_database_does_not_answer(broker: Broker, queue: str, store: DeadLetterStore) -> None:
    async with broker.open() as bus:
        service, event, failures = ServiceWithLetters(bus, queue, store, RecordingHandler()), an_event(), [Unavailable(), Unavailable()]

        async def keep(message: DeadMessage) -> None:
            if failures:
                raise failures.pop()
            await service.letters.keep(message)

        await service.subscribe(keep)
        await bus.publish(event.topic, str(event.id), b"[]")
        assert len(await service.wait_for(bool)) == 1
        assert not failures


async def test_a_service_that_dies_between_storing_and_acknowledging_has_the_letter_once(
    broker: Broker, queue: str, store: DeadLetterStore
) -> None:
    stored = asyncio.Event()
    async with broker.open() as bus:
        dying = ServiceWithLetters(bus, queue, store, RecordingHandler(failures=1000))

        async def keep_and_hang(message: DeadMessage) -> None:
            await dying.letters.keep(message)
            stored.set()
            await asyncio.Event().wait()

        await dying.subscribe(keep_and_hang)
        event = an_event()
        await publish(bus, event)
        await asyncio.wait_for(stored.wait(), 20)
    async with broker.open() as bus:
        service = ServiceWithLetters(bus, queue, store, RecordingHandler())
        repeated = asyncio.Event()

        async def keep(message: DeadMessage) -> None:
            await service.letters.keep(message)
            repeated.set()

        await service.subscribe(keep)
        await asyncio.wait_for(repeated.wait(), 20)
        (letter,) = await service.list_letters()
        assert (letter.event_id, letter.attempts, letter.status) == (event.id, ALL_ATTEMPTS, WAITING)
        assert not service.counted


async def test_a_replay_reaches_one_queue_with_the_same_event_and_takes_effect(broker: Broker, queue: str, store: DeadLetterStore) -> None:
    other = RecordingHandler()
    async with broker.open() as bus:
        service, event = ServiceWithLetters(bus, queue, store, RecordingHandler(failures=ALL_ATTEMPTS)), an_event()
        await bus.subscribe(f"{broker.name}.b", {PasswordChanged: other})
        await service.subscribe()
        await publish(bus, event)
        (letter,) = await service.wait_for(bool)
        replayed = await service.letters.replay(letter.id)
        assert (replayed.status, replayed.replays) == (REPLAYED, 1)
        await wait_until(lambda: service.handler.events)
        assert await service.letters.replay(letter.id) == (await service.list_letters())[0]
        last = an_event()
        await publish(bus, last)
        await wait_until(lambda: last.id in service.handler.ids and last.id in other.ids)
        assert service.handler.ids == [event.id, last.id]
        assert other.ids == [event.id, last.id]
        assert [letter.status for letter in await service.list_letters()] == [REPLAYED]


async def test_a_replay_that_is_given_up_again_waits_again_with_more_attempts(broker: Broker, queue: str, store: DeadLetterStore) -> None:
    async with broker.open() as bus:
        service, event = ServiceWithLetters(bus, queue, store, RecordingHandler(failures=2 * ALL_ATTEMPTS)), an_event()
        await service.subscribe()
        await publish(bus, event)
        (letter,) = await service.wait_for(bool)
        await service.letters.replay(letter.id)
        (again,) = await service.wait_for(lambda letters: letters[0].attempts > ALL_ATTEMPTS)
        assert (again.id, again.status, again.attempts, again.replays) == (letter.id, WAITING, 2 * ALL_ATTEMPTS, 1)
        assert again.replayed_at is not None
        await service.letters.replay(letter.id)
        await wait_until(lambda: service.handler.events)
        assert service.handler.ids == [event.id]


async def test_an_invalid_message_that_is_replayed_waits_again_at_once(broker: Broker, queue: str, store: DeadLetterStore) -> None:
    """It may die before its replay is recorded, and then it must not be shown as replayed."""
    async with broker.open() as bus:
        service = ServiceWithLetters(bus, queue, store, RecordingHandler())
        await service.subscribe()
        await bus.publish(PasswordChanged.topic, "m1", b"{}")
        (letter,) = await service.wait_for(bool)
        for number in range(1, 4):
            await service.letters.replay(letter.id)
            await service.wait_for(functools.partial(is_waiting_after, number))
        assert [letter.attempts for letter in await service.list_letters()] == [4]


async def test_a_replay_that_dies_before_it_is_recorded_is_not_shown_as_replayed(store: DeadLetterStore) -> None:
    message = DeadMessage("m1", b"{}", "KeyError", 1)

    class DyingBus(RecordingBus):
        async def redeliver(self, queue: str, message_id: str, body: bytes, replay: int) -> None:
            await letters.keep(replace(message, replay=replay))

    letters = DeadLetters(store, DyingBus(), "q", MovableClock(), lambda topic: None)
    await letters.keep(message)
    (letter,) = (await letters.list_page(None, PageRequest())).items
    shown = await letters.replay(letter.id)
    assert (shown.status, shown.replays, shown.attempts) == (WAITING, 1, 2)
    for repeated in (message, replace(message, replay=1)):
        await letters.keep(repeated)
    assert await store.find(letter.id) == shown


async def test_a_replay_without_bus_changes_nothing_and_an_unknown_letter_cannot_be_replayed(
    tmp_path: Path, store: DeadLetterStore
) -> None:
    class AbsentBus(RecordingBus):
        async def redeliver(self, queue: str, message_id: str, body: bytes, replay: int) -> None:
            await self.publish("", message_id, body)

    letters, letter = DeadLetters(store, AbsentBus(is_away=True), "q", MovableClock(), lambda topic: None), a_letter()
    await store.insert(letter)
    with pytest.raises(Unavailable):
        await letters.replay(letter.id)
    assert await store.find(letter.id) == letter
    with pytest.raises(NoSuchDeadLetter):
        await letters.replay(UUID(int=1))


async def test_letters_of_an_embedded_bus_of_an_earlier_release_are_moved_without_the_text_of_their_errors(
    tmp_path: Path, store: DeadLetterStore
) -> None:
    broker, event = EmbeddedBroker(tmp_path), an_event()
    with sqlite3.connect(broker.path) as old:
        old.execute(
            "CREATE TABLE deliveries (seq INTEGER PRIMARY KEY, queue TEXT NOT NULL, message_id TEXT NOT NULL, body BLOB NOT NULL,"
            " attempt INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, dead INTEGER NOT NULL DEFAULT 0, why TEXT)"
        )
        body = json.dumps(event.to_cloudevent("test")).encode()
        row = ("q.a", str(event.id), body, 5, system_clock().timestamp(), 1, "KeyError('mina@example.com')")
        old.execute("INSERT INTO deliveries (queue, message_id, body, attempt, due_at, dead, why) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    async with broker.open() as bus:
        service = ServiceWithLetters(bus, "q.a", store, RecordingHandler())
        await service.subscribe()
        (letter,) = await service.wait_for(bool)
        assert (letter.event_id, letter.error, letter.attempts) == (event.id, "KeyError", 5)
        await service.letters.replay(letter.id)
        await wait_until(lambda: service.handler.ids == [event.id])


def summary_of(error: Exception) -> str:
    try:
        raise error
    except Exception as raised:
        return error_summary(raised)


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (ValueError("mina@example.com"), "ValueError at tests.contract.test_dead_letters:summary_of:"),
        (Unavailable("Mina does not answer."), "Unavailable unavailable at tests.contract"),
        (InvalidMessage("mina@example.com"), "InvalidMessage at"),
    ],
)
def test_what_is_recorded_of_an_error_has_no_text_of_it(error: Exception, start: str) -> None:
    text = summary_of(error)
    assert text.startswith(start)
    assert "mina" not in text.lower()
    assert without_text(text) == text
