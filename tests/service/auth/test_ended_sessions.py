"""The list of ended sessions is asked for page by page and only for what is new, and no session is missing from it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from auth_svc.repository.tables import SESSIONS
from auth_svc.usecases.accounts import Accounts
from auth_svc.usecases.sessions import Sessions
from shared.contracts.identity import Service
from shared.kit.ended_sessions import EndedSessionPoller, EndedSessions
from shared.kit.ids import new_id
from tests.running import NOON
from tests.service.auth.running_auth import RunningAuth, run_auth_service


def ended_session() -> dict[str, Any]:
    """Return the row of a session that the previous release ended: it has no number."""
    times = {"created_at": NOON, "last_used_at": NOON, "expires_at": NOON + timedelta(days=30), "ended_at": NOON}
    return {"id": new_id(), "account_id": new_id(), **times}


async def insert_ended_sessions(auth: RunningAuth, count: int) -> None:
    async with auth.service.app.state.use_cases[Accounts].store.database.write() as connection:
        await connection.execute(insert(SESSIONS), [ended_session() for _ in range(count)])


class PollingService:
    """Polls the list as another service does, and records what each poll got."""

    def __init__(self, auth: RunningAuth) -> None:
        self.auth, self.pages, self.revoked = auth, list[int](), list[UUID]()
        self.poller = EndedSessionPoller(self.fetch_page, lambda session_id, _: self.revoked.append(session_id))

    async def fetch_page(self, after: int) -> EndedSessions:
        response = await self.auth.call_as(Service.DOCTOR, "GET", f"/internal/ended-sessions?after={after}&limit=1000")
        page = EndedSessions.model_validate_json(response.content)
        self.pages.append(len(page.items))
        return page

    async def poll_until_done(self) -> None:
        while await self.poller.poll():
            pass


async def test_of_five_thousand_ended_sessions_each_is_sent_once(auth: RunningAuth) -> None:
    await insert_ended_sessions(auth, 5000)
    await auth.service.run_until_idle()
    polling = PollingService(auth)
    await polling.poll_until_done()
    assert (polling.pages, len(set(polling.revoked))) == ([1000] * 5 + [0], 5000)
    session = await auth.register()
    await auth.post("/auth/logout", {"refresh_token": session["refresh_token"]})
    await polling.poll_until_done()
    assert (polling.pages[6:], len(set(polling.revoked))) == ([1, 0], 5001)


async def test_a_page_has_at_most_a_thousand_sessions(auth: RunningAuth) -> None:
    for query in ("limit=1001", "limit=0", "after=-1", f"after={2**63}"):
        assert (await auth.call_as(Service.DOCTOR, "GET", f"/internal/ended-sessions?{query}")).status_code == 422


async def test_a_new_instance_begins_with_all_sessions_that_still_matter(tmp_path: Path) -> None:
    async with run_auth_service(tmp_path) as auth:
        session = await auth.register()
        await insert_ended_sessions(auth, 2500)
        await auth.post("/auth/logout", {"refresh_token": session["refresh_token"]})
        await insert_ended_sessions(auth, 10)
    async with run_auth_service(tmp_path, auth.patients) as again:
        assert (await again.get_me(session["access_token"])).status_code == 401
        assert len(again.service.app.state.verifier._ended_sessions) == 2511


async def test_no_session_is_missed_that_ends_while_the_list_is_polled(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        await auth.register()
        sessions: Sessions = auth.service.app.state.use_cases[Sessions]
        account = await sessions.store.find_account_by_email("sam@example.com")
        assert account is not None
        started = [await sessions.start(account, "192.0.2.1") for _ in range(60)]
        polling, is_over = PollingService(auth), asyncio.Event()

        async def keep_polling() -> None:
            while not is_over.is_set():
                await polling.poller.poll()

        task = asyncio.create_task(keep_polling())
        await asyncio.gather(*(sessions.logout(signed_in.refresh_token) for signed_in in started))
        is_over.set()
        await task
        await polling.poll_until_done()
        async with auth.service.app.state.use_cases[Accounts].store.database.read() as connection:
            ended = set(await connection.scalars(select(SESSIONS.c.id).where(SESSIONS.c.ended_at.is_not(None))))
        assert (len(polling.revoked), set(polling.revoked)) == (60, ended)


@pytest.mark.needs_servers("MYSQL")
async def test_a_number_appears_after_all_lower_ones(tmp_path: Path, mysql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=mysql_url) as auth:
        await auth.register()
        sessions: Sessions = auth.service.app.state.use_cases[Sessions]
        store = sessions.store
        account = await store.find_account_by_email("sam@example.com")
        assert account is not None
        for _ in range(2):
            await sessions.start(account, "192.0.2.1")
        async with store.database.read() as connection:  # type: ignore[attr-defined]
            slow, quick, _ = list(await connection.scalars(select(SESSIONS.c.id)))
        async with store.begin() as slow_transaction:
            await slow_transaction.end_session(slow, NOON)
            async with store.begin() as quick_transaction:
                await quick_transaction.end_session(quick, NOON)
            page, last_number = await store.list_ended_sessions(NOON, 0, 10)
            assert ([session.id for session in page], last_number) == ([quick], 1)
        page, last_number = await store.list_ended_sessions(NOON, 1, 10)
        assert ([session.id for session in page], last_number) == ([slow], 2)
