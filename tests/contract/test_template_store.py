"""The store of templates on every SQL server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast
from uuid import UUID

import pytest

from notify_svc.clients.template_library import JinjaTemplateLibrary
from notify_svc.domain.templates import MailText, TemplateOverride
from notify_svc.ports.templates import TemplateStore
from notify_svc.repository.templates import SqlTemplateStore
from notify_svc.usecases.current_overrides import CHECKED_AFTER, CurrentOverrides
from notify_svc.usecases.templates import Templates
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Stale, Unavailable
from shared.kit.clock import MovableClock
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import CLINIC

ADMIN = Caller(UUID(int=1), Role.ADMIN)
TEXT_WITH_DETAILS = MailText("See you", "{{ details }}")
TEXT = MailText("Grüße 🙂", "{{ details }} 山田\n" + "ü" * 4900)


@pytest.fixture
async def store(sql_url: str) -> AsyncIterator[SqlTemplateStore]:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        yield SqlTemplateStore(database, lambda: NOON)


async def change(store: SqlTemplateStore, kind: str, content: MailText | None) -> TemplateOverride:
    async with store.begin() as tx:
        before = await tx.lock_override(kind, "en")
        override = replace(before, content=content, changes=before.changes + 1)
        await tx.save_override(override)
    return override


async def test_an_override_is_read_as_it_was_saved_and_every_change_is_counted(store: SqlTemplateStore) -> None:
    assert (await store.find_override("booked", "en"), await store.list_overrides(), await store.count_changes()) == (None, [], 0)
    saved = await change(store, "booked", TEXT)
    assert (await store.find_override("booked", "en"), saved.content) == (saved, TEXT)
    assert (await store.find_override("BOOKED", "en"), await store.count_changes()) == (None, 1)
    reset = await change(store, "booked", None)
    await change(store, "reminder", TEXT)
    assert (await store.find_override("booked", "en"), reset.content) == (reset, None)
    assert ([override.kind for override in await store.list_overrides()], await store.count_changes()) == (["booked", "reminder"], 3)


async def test_of_two_admins_who_replace_the_same_version_one_is_refused(store: SqlTemplateStore) -> None:
    templates = Templates(store, JinjaTemplateLibrary(lambda: CLINIC), CurrentOverrides(store, lambda: NOON), lambda: NOON)
    contents = [MailText(f"Subject {number}", "{{ details }}") for number in range(8)]
    shipped = (await templates.get("booked", "en")).version
    results = await asyncio.gather(
        *(templates.replace("booked", "en", content, shipped, by=ADMIN) for content in contents), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["MailTemplate"] + ["Stale"] * 7
    assert [result.facts["version"] for result in results if isinstance(result, Stale)] == [shipped + 1] * 7


async def test_another_instance_sees_a_change_within_two_seconds_and_the_one_that_made_it_at_once(store: SqlTemplateStore) -> None:
    clock = MovableClock(NOON, running=False)
    own, others = CurrentOverrides(store, clock), CurrentOverrides(store, clock)
    templates = Templates(store, JinjaTemplateLibrary(lambda: CLINIC), own, clock)
    assert (await own.read(), await others.read()) == ({}, {})
    await templates.replace("booked", "en", TEXT_WITH_DETAILS, None, by=ADMIN)
    assert (await own.read(), await others.read()) == ({("booked", "en"): TEXT_WITH_DETAILS}, {})
    clock.advance(CHECKED_AFTER)
    assert await others.read() == {("booked", "en"): TEXT_WITH_DETAILS}
    await templates.reset("booked", "en", None, by=ADMIN)
    clock.advance(CHECKED_AFTER)
    assert (await own.read(), await others.read()) == ({}, {})


class UnreachableTemplates:
    """A store whose database does not answer."""

    async def count_changes(self) -> int:
        raise Unavailable


async def test_without_database_the_overrides_that_were_read_last_are_used(store: SqlTemplateStore) -> None:
    clock = MovableClock(NOON, running=False)
    await change(store, "booked", TEXT)
    current = CurrentOverrides(store, clock)
    assert await current.read() == {("booked", "en"): TEXT}
    current.store = cast("TemplateStore", UnreachableTemplates())
    clock.advance(CHECKED_AFTER)
    assert await current.read() == {("booked", "en"): TEXT}
