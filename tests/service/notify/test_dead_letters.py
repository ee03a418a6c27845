"""Dead letters of all services, as admins list and replay them, and those of notification-service itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.contracts.events import PasswordChanged
from shared.contracts.identity import Role, Scope, Service
from tests.running import NOON, RunningService, problem_response, run_service
from tests.service.notify.fake_services import MemoryMailbox
from tests.tokens import bearer, service_bearer

ADMIN = bearer(Role.ADMIN, uuid4())


class ServicesWithLetters:
    """The other services: each has the letters that are listed here, and those in `unreachable` do not answer."""

    def __init__(self) -> None:
        self.letters: dict[str, list[dict[str, Any]]] = {}
        self.unreachable = set[str]()
        self.replayed: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        host, path = request.url.host, request.url.path
        if host in self.unreachable:
            raise httpx.ConnectError("unreachable", request=request)
        letters = self.letters.get(host, [])
        if path == "/internal/dead-letters":
            return httpx.Response(200, json={"items": letters, "next": None})
        if path.startswith("/internal/dead-letters/"):
            found = [letter for letter in letters if letter["id"] in path]
            self.replayed += [letter["id"] for letter in found]
            return httpx.Response(200, json=found[0] | {"status": "replayed"}) if found else problem_response(404, "no_such_dead_letter")
        return problem_response(404, "not_found")


@pytest.fixture
def services() -> ServicesWithLetters:
    return ServicesWithLetters()


@pytest.fixture
async def notify(tmp_path: Path, services: ServicesWithLetters) -> AsyncIterator[RunningService]:
    async with run_service("notify_svc", tmp_path, services, mailbox=MemoryMailbox(), mail_url="file:unused") as service:
        yield service


def a_remote_letter(**changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "event_id": str(uuid4()),
        "topic": "patient.changed.v1",
        "subject": str(uuid4()),
        "error": "KeyError",
        "attempts": 5,
        "died_at": "2026-03-01T12:00:00Z",
        "status": "waiting",
        "replayed_at": None,
    } | changes


async def publish_unreadable(notify: RunningService) -> None:
    await notify.bus.publish(PasswordChanged.topic, "m1", b'{"type": "password.changed.v1", "secret": "mina@example.com"}')
    await notify.run_until_idle()


async def list_letters(notify: RunningService, query: str = "") -> dict[str, Any]:
    response = await notify.http.get(f"/admin/dead-letters{query}", headers=ADMIN)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_an_admin_sees_the_letters_of_all_services_without_their_content(
    notify: RunningService, services: ServicesWithLetters
) -> None:
    services.letters["patient-service"] = [a_remote_letter()]
    await publish_unreadable(notify)
    page = await list_letters(notify)
    assert [item["service"] for item in page["items"]] == ["notification-service", "patient-service"]
    own = page["items"][0]
    assert own.keys() == a_remote_letter().keys() | {"service"}
    assert (own["topic"], own["status"], own["died_at"], own["attempts"]) == (None, "waiting", "2026-03-02T12:00:00Z", 1)
    assert "mina" not in str(page)
    assert (page["next"], page["unavailable"]) == (None, [])


async def test_a_service_that_does_not_answer_is_named(notify: RunningService, services: ServicesWithLetters) -> None:
    services.unreachable = {"doctor-service"}
    services.letters["patient-service"] = [a_remote_letter()]
    page = await list_letters(notify)
    assert (len(page["items"]), page["unavailable"]) == (1, ["doctor-service"])
    assert (await list_letters(notify, "?service=patient-service"))["unavailable"] == []
    assert (await list_letters(notify, "?service=doctor-service")) == {"items": [], "next": None, "unavailable": ["doctor-service"]}


async def test_a_letter_of_another_service_is_replayed_there_once_per_key(notify: RunningService, services: ServicesWithLetters) -> None:
    letter = a_remote_letter()
    services.letters["patient-service"] = [letter]
    path, headers = f"/admin/dead-letters/{letter['id']}/replay", ADMIN | {"Idempotency-Key": "k"}
    answers = [await notify.http.post(path, headers=headers) for _ in range(2)]
    assert [(answer.status_code, answer.json()["status"], answer.json()["service"]) for answer in answers] == [
        (200, "replayed", "patient-service")
    ] * 2
    assert services.replayed == [letter["id"]]


async def test_an_own_letter_is_replayed_and_waits_again_when_it_is_given_up_again(notify: RunningService) -> None:
    await publish_unreadable(notify)
    letter = (await list_letters(notify))["items"][0]
    replayed = await notify.http.post(f"/admin/dead-letters/{letter['id']}/replay", headers=ADMIN)
    assert (replayed.status_code, replayed.json()["status"]) == (200, "replayed")
    await notify.run_until_idle()
    (again,) = (await list_letters(notify))["items"]
    assert (again["id"], again["status"], again["attempts"]) == (letter["id"], "waiting", 2)
    assert again["replayed_at"] == replayed.json()["replayed_at"] == NOON.strftime("%Y-%m-%dT%H:%M:%SZ")
    metrics = (await notify.http.get("/metrics")).text
    assert 'dead_letters_total{topic="unreadable"} 2.0' in metrics


async def test_an_unknown_letter_is_not_found_unless_a_service_does_not_answer(
    notify: RunningService, services: ServicesWithLetters
) -> None:
    path = f"/admin/dead-letters/{uuid4()}/replay"
    answer = await notify.http.post(path, headers=ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_dead_letter")
    services.unreachable = {"auth-service"}
    assert (await notify.http.post(path, headers=ADMIN)).status_code == 503


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR, Role.RECEPTION])
async def test_letters_are_for_admins(notify: RunningService, role: Role) -> None:
    headers = bearer(role, uuid4())
    assert (await notify.http.get("/admin/dead-letters", headers=headers)).status_code == 403
    assert (await notify.http.post(f"/admin/dead-letters/{uuid4()}/replay", headers=headers)).status_code == 403


async def test_an_api_client_with_the_scope_reads_letters_and_replays_none(notify: RunningService) -> None:
    reader, other = (bearer(Role.CLIENT, uuid4(), scope=scope) for scope in (Scope.MESSAGES_READ, Scope.WEBHOOKS_MANAGE))
    assert (await notify.http.get("/admin/dead-letters", headers=reader)).status_code == 200
    refused = await notify.http.get("/admin/dead-letters", headers=other)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert (await notify.http.post(f"/admin/dead-letters/{uuid4()}/replay", headers=reader)).status_code == 403


async def test_the_internal_routes_are_for_notification_service(notify: RunningService) -> None:
    path = "/internal/dead-letters"
    assert (await notify.http.get(path, headers=service_bearer(Service.NOTIFICATION))).status_code == 200
    for headers in (service_bearer(Service.ADMIN), ADMIN):
        assert (await notify.http.get(path, headers=headers)).status_code == 403
        assert (await notify.http.post(f"{path}/{uuid4()}/replay", headers=headers)).status_code == 403
