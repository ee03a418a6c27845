"""The account of an erased patient is deleted, its sessions end, and it is reported to patient-service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth_svc.domain.refusals import InvalidCredentials
from auth_svc.repository.tables import METADATA, PASSWORD_RESETS, SESSIONS
from auth_svc.usecases.sessions import Sessions
from shared.contracts.events import PatientErased, SessionEnded
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, problem_response
from tests.service.auth.running_auth import SAM, RunningAuth, run_auth_service, status_and_code

ERASURE = UUID(int=500)


async def erase(auth: RunningAuth, account_id: str) -> None:
    """Announce that a patient was erased."""
    facts = {"patient_id": UUID(account_id), "erasure_id": ERASURE, "pass_number": 1}
    await auth.service.publish_event(PatientErased(id=new_id(), occurred_at=NOON, **facts))


@pytest.fixture
async def auth(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningAuth]:
    """The service on SQLite and on MariaDB."""
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        yield auth


async def stored_text(url: str) -> str:
    """Return every row of every table of the service."""
    async with Database(url) as database, database.read() as connection:
        return repr([row for table in METADATA.sorted_tables for row in await connection.execute(sa.select(table))])


async def count_password_resets(url: str) -> int:
    async with Database(url) as database, database.read() as connection:
        return int(await connection.scalar(sa.select(sa.func.count()).select_from(PASSWORD_RESETS)) or 0)


async def test_nothing_of_the_account_is_left_and_its_tokens_are_refused(auth: RunningAuth, sql_url: str) -> None:
    signed_in = await auth.register()
    await auth.login(password="wrong pass phrase")
    await auth.post("/auth/password/forgot", {"email": SAM["email"]})
    assert SAM["email"] in await stored_text(sql_url)
    assert await count_password_resets(sql_url) == 1

    await erase(auth, signed_in["account"]["id"])

    stored = await stored_text(sql_url)
    assert SAM["email"] not in stored
    assert SAM["full_name"] not in stored
    assert await count_password_resets(sql_url) == 0
    assert stored.count("$argon2id$") == 1, "that of the first admin is left"
    assert status_and_code(await auth.get_me(signed_in["access_token"])) == (401, "invalid_token")
    assert status_and_code(await auth.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]}))[0] == 401
    assert status_and_code(await auth.login()) == (401, "invalid_credentials")
    assert len(await auth.list_events(SessionEnded)) == 1


async def test_the_removal_is_reported_and_a_repeated_event_finds_nothing_more(auth: RunningAuth) -> None:
    account_id = (await auth.register())["account"]["id"]

    await erase(auth, account_id)
    await erase(auth, account_id)

    reports = [request for request in auth.patients.requests if "removed" in request]
    assert [(report["pass_number"], report["removed"]["accounts"]) for report in reports] == [(1, 1), (1, 0)]


async def test_the_address_can_be_registered_again(auth: RunningAuth) -> None:
    first = await auth.register()
    await erase(auth, first["account"]["id"])

    assert (await auth.register())["account"]["id"] != first["account"]["id"]


async def test_an_account_with_the_id_of_an_erased_person_is_not_kept_and_the_address_is_free(auth: RunningAuth, sql_url: str) -> None:
    account_id = UUID(int=78)
    auth.patients.refusal = problem_response(404, "no_such_patient")
    created = await auth.create_account(account_id, role="patient", email=SAM["email"], full_name=SAM["full_name"])
    assert status_and_code(created) == (404, "no_such_patient")
    assert SAM["email"] not in await stored_text(sql_url)
    auth.patients.refusal = None
    assert (await auth.register())["account"]["id"] != str(account_id)


@pytest.mark.parametrize("action", ["login", "register", "job"])
async def test_a_pending_account_of_an_erased_person_is_deleted(auth: RunningAuth, sql_url: str, action: str) -> None:
    auth.patients.is_down = True
    assert (await auth.post("/auth/register", SAM)).status_code == 503
    auth.patients.is_down, auth.patients.refusal = False, problem_response(404, "no_such_patient")
    if action == "login":
        assert status_and_code(await auth.login()) == (401, "invalid_credentials")
    elif action == "register":
        assert status_and_code(await auth.post("/auth/register", SAM)) == (404, "no_such_patient"), "the new id is refused here, too"
    else:
        auth.clock.advance(timedelta(seconds=61))
        await auth.service.run_until_idle()
    assert SAM["email"] not in await stored_text(sql_url)
    auth.patients.refusal = None
    assert (await auth.register())["account"]["status"] == "active"


async def test_a_person_who_is_no_longer_a_patient_keeps_the_account(auth: RunningAuth) -> None:
    account_id = str(UUID(int=77))
    await auth.create_account(account_id)

    await erase(auth, account_id)

    assert (await auth.call_as(Service.ADMIN, "GET", f"/internal/accounts/{account_id}")).status_code == 200


async def test_without_an_answer_of_patient_service_the_report_is_sent_later(auth: RunningAuth) -> None:
    account_id = (await auth.register())["account"]["id"]
    auth.patients.is_down = True
    await erase(auth, account_id)
    auth.patients.is_down = False

    auth.clock.advance(timedelta(seconds=20))
    await auth.service.run_until_idle()

    assert [request for request in auth.patients.requests if "removed" in request] != []


async def test_a_login_whose_account_is_erased_after_the_password_was_verified_starts_no_session(auth: RunningAuth, sql_url: str) -> None:
    account_id = (await auth.register())["account"]["id"]
    sessions: Sessions = auth.service.app.state.use_cases[Sessions]
    account = await sessions.store.find_account_by_email(SAM["email"])
    assert account is not None
    await erase(auth, account_id)

    with pytest.raises(InvalidCredentials):
        await sessions.start(account, "192.0.2.1")

    async with Database(sql_url) as database, database.read() as connection:
        live = (SESSIONS.c.account_id == account.id) & SESSIONS.c.ended_at.is_(None)
        assert await connection.scalar(sa.select(sa.func.count()).where(live)) == 0
