"""What auth-service reports to the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.events import AuditRecorded
from shared.contracts.identity import Role, Service, system_caller
from shared.kit.ids import new_id
from tests.service.auth.running_auth import FIRST_ADMIN, OTHER_PASSWORD, PASSWORD, SAM, RunningAuth, run_auth_service
from tests.service.reported_lines import read_reported

AUTH = system_caller(Service.AUTH).id


class Reporting:
    """A running auth-service with Sam's account, and the lines that it reported since then."""

    def __init__(self, auth: RunningAuth, url: str, sam: dict[str, Any]) -> None:
        self.auth, self.url, self.sam = auth, url, sam
        self.sam_id = UUID(sam["account"]["id"])
        self.seen = 0

    async def new_lines(self) -> list[AuditRecorded]:
        lines = await read_reported(self.url)
        new, self.seen = lines[self.seen :], len(lines)
        return new

    async def expect(self, *expected: tuple[str, str, UUID, UUID]) -> list[AuditRecorded]:
        lines = await self.new_lines()
        assert [(line.action, line.outcome, line.actor_id, line.subject_id) for line in lines] == list(expected)
        return lines


@pytest.fixture
async def reporting(tmp_path: Path) -> AsyncIterator[Reporting]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'auth.db'}"
    async with run_auth_service(tmp_path, database_url=url) as auth:
        reporting = Reporting(auth, url, await auth.register())
        sam = reporting.sam_id
        lines = await reporting.new_lines()
        assert [(line.action, line.actor_id) for line in lines[1:]] == [("account.create", sam), ("account.sign_in", sam)]
        yield reporting


async def test_a_session_is_reported_when_it_begins_and_when_its_owner_ends_it(reporting: Reporting) -> None:
    auth, sam = reporting.auth, reporting.sam_id
    tokens = await auth.sign_in()
    (line,) = await reporting.expect(("account.sign_in", "done", sam, sam))
    assert (line.relation, line.actor_role) == ("self", Role.PATIENT)
    await auth.post("/auth/logout", {"refresh_token": tokens["refresh_token"]})
    (ended,) = await reporting.expect(("account.sign_out", "done", sam, sam))
    assert ended.row_id == line.row_id
    await auth.post("/auth/logout", {"refresh_token": tokens["refresh_token"]})
    await reporting.expect()
    await auth.post("/auth/logout-all", token=(await auth.sign_in())["access_token"])
    await reporting.expect(("account.sign_in", "done", sam, sam), ("account.sign_out", "done", sam, sam))


async def test_a_wrong_password_is_reported_and_an_unknown_address_is_not_named(reporting: Reporting) -> None:
    await reporting.auth.login(password="not the pass phrase")
    await reporting.expect(("account.sign_in", "refused", reporting.sam_id, reporting.sam_id))
    await reporting.auth.login(email="nobody@example.com")
    (line,) = await reporting.expect(("account.sign_in", "refused", AUTH, AUTH))
    assert "nobody" not in line.model_dump_json()
    assert (line.relation, line.actor_role) == (None, Role.SYSTEM)


@pytest.mark.parametrize("email", [SAM["email"], "nobody@example.com"], ids=["known", "unknown"])
async def test_wrong_passwords_cannot_flood_the_audit_trail(reporting: Reporting, email: str) -> None:
    for _ in range(30):
        await reporting.auth.login(email=email, password="not the pass phrase")
    assert len(await reporting.new_lines()) == 10, "further attempts wait"


async def test_a_refresh_token_that_is_used_twice_is_reported(reporting: Reporting) -> None:
    refresh = {"refresh_token": reporting.sam["refresh_token"]}
    await reporting.auth.post("/auth/refresh", refresh)
    await reporting.expect()
    await reporting.auth.post("/auth/refresh", refresh)
    await reporting.expect(("account.refresh", "refused", reporting.sam_id, reporting.sam_id))


async def test_changed_and_chosen_passwords_are_reported(reporting: Reporting) -> None:
    auth, sam = reporting.auth, reporting.sam_id
    change = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    assert (await auth.post("/auth/password", change, reporting.sam["access_token"])).status_code == 204
    await reporting.expect(("password.change", "done", sam, sam))
    await auth.post("/auth/password/forgot", {"email": SAM["email"]})
    await auth.post("/auth/password/reset", {"token": await auth.mailed_token(), "new_password": PASSWORD})
    await reporting.expect(("password.reset", "done", sam, sam))


async def test_a_change_of_an_account_names_the_admin_and_what_changed(reporting: Reporting) -> None:
    admin = {"id": str(new_id()), "role": "admin"}
    await reporting.auth.change_account(str(reporting.sam_id), status="disabled", email="sam.lee@example.com", by=admin)
    (line,) = await reporting.expect(("account.change", "done", UUID(admin["id"]), reporting.sam_id))
    assert (line.relation, line.before) == ("admin", {"status": "active", "texts": None})
    assert line.after == {"status": "disabled", "texts": "email"}
    assert "sam.lee" not in line.model_dump_json()
    await reporting.auth.change_account(str(reporting.sam_id), status="active")  # an admin-service of an earlier release
    await reporting.expect(("account.change", "done", system_caller(Service.ADMIN).id, reporting.sam_id))


async def test_api_clients_are_reported_when_they_are_made_and_deleted(reporting: Reporting) -> None:
    signed_in = await reporting.auth.sign_in(**FIRST_ADMIN)
    admin, token = UUID(signed_in["account"]["id"]), signed_in["access_token"]
    body = {"name": "Nightly export", "scopes": ["appointments:read", "messages:read"]}
    client = (await reporting.auth.post("/auth/clients", body, token)).json()
    await reporting.auth.http.delete(f"/auth/clients/{client['id']}", headers={"Authorization": f"Bearer {token}"})
    _, created, deleted = await reporting.new_lines()
    assert [(line.action, line.actor_id, str(line.subject_id)) for line in (created, deleted)] == [
        ("api_client.create", admin, client["id"]),
        ("api_client.delete", admin, client["id"]),
    ]
    assert created.after == {"scopes": "appointments:read messages:read", "expires_at": None}
    assert "Nightly" not in created.model_dump_json()
