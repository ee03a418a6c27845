"""Webhooks: managing them, and what their receivers get, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook as Verifier

from notify_svc.domain.webhooks import MAX_WEBHOOKS
from notify_svc.repository.tables import WEBHOOK_DELIVERIES, WEBHOOKS
from shared.contracts.events import AppointmentEvent
from shared.contracts.identity import Role, Scope
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import ADMINS, FakeContactServices, MemoryMailbox, stored_messages
from tests.service.notify.test_webhook_receiver import hang
from tests.service.notify.webhook_endpoint import ReceivedWebhook, WebhookEndpoint, answer, webhook_endpoint
from tests.tokens import bearer
from tests.unit.notify.builders import ADMIN, APPOINTMENT, an_event

AS_ADMIN = bearer(Role.ADMIN, ADMIN)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Json = dict[str, Any]


@pytest.fixture
async def notify(tmp_path: Path, mailbox: MemoryMailbox, services: FakeContactServices) -> AsyncIterator[RunningService]:
    settings: Json = {"mail_url": "file:unused", "webhook_allow_private": True, "webhook_key": "k" * 40}
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, **settings) as service:
        yield service


@pytest.fixture
async def endpoint() -> AsyncIterator[WebhookEndpoint]:
    async with webhook_endpoint() as running:
        yield running


@pytest.fixture
async def other_endpoint() -> AsyncIterator[WebhookEndpoint]:
    async with webhook_endpoint() as running:
        yield running


async def call(notify: RunningService, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Json:
    sent = AS_ADMIN | {name.replace("_", "-"): value for name, value in headers.items()}
    response = await notify.http.request(method, path, json=body, headers=sent)
    assert response.status_code == status, response.text
    return response.json() if response.content else {}


async def create(notify: RunningService, endpoint: WebhookEndpoint, *events: str) -> Json:
    return await call(notify, "POST", "/webhooks", {"url": endpoint.url, "events": list(events) or ["appointment.*"]}, status=201)


async def show(notify: RunningService, webhook: Json) -> Json:
    return await call(notify, "GET", f"/webhooks/{webhook['id']}")


async def change(notify: RunningService, webhook: Json, **changes: Any) -> Json:
    current = await show(notify, webhook)
    return await call(notify, "PATCH", f"/webhooks/{webhook['id']}", changes, If_Match=str(current["version"]))


async def deliveries(notify: RunningService, webhook: Json) -> list[Json]:
    """Return the deliveries of a webhook, the oldest first."""
    items: list[Json] = (await call(notify, "GET", f"/webhooks/{webhook['id']}/deliveries"))["items"]
    return items[::-1]


def event(number: int, topic: str = "appointment.booked.v1", **changes: Any) -> AppointmentEvent:
    """Return the event of an appointment with this number."""
    return an_event(topic, id=new_id(), version=number + 1, event_number=number, **changes)


async def pass_time(notify: RunningService, by: timedelta, step: timedelta = HOUR) -> None:
    end = notify.clock() + by
    while notify.clock() < end:
        notify.clock.set(min(notify.clock() + step, end))
        await notify.run_until_idle()


def is_signed_with(secret: str, request: ReceivedWebhook, at: float = NOON.timestamp()) -> bool:
    """Return whether a request has a signature of a secret. The package refuses old timestamps, so that it only computes here."""
    assert request.headers["webhook-timestamp"] == str(int(at))
    signer = Verifier(secret)
    signature = signer.sign(request.headers["webhook-id"], NOON + timedelta(seconds=at - NOON.timestamp()), request.body)
    return signature in request.headers["webhook-signature"].split(" ")


# Managing


async def test_a_webhook_is_created_read_changed_and_deleted(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    created = await create(notify, endpoint)
    assert created.pop("secret").startswith("whsec_")
    assert (created["status"], created["version"], created["failing_since"]) == ("active", 1, None)
    assert await show(notify, created) == created
    assert (await call(notify, "GET", "/webhooks"))["items"] == [created]
    changed = await change(notify, created, events=["appointment.booked", "appointment.booked"], description="Ours")
    assert (changed["events"], changed["description"], changed["version"]) == (["appointment.booked"], "Ours", 2)
    await call(notify, "PATCH", f"/webhooks/{created['id']}", {"description": None}, status=412, If_Match="1")
    await call(notify, "PATCH", f"/webhooks/{created['id']}", {"description": None}, status=428)
    await call(notify, "DELETE", f"/webhooks/{created['id']}", status=204)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/ping"), ("POST", "/rotate-secret")):
        assert (await call(notify, method, f"/webhooks/{created['id']}{path}", status=404))["code"] == "no_such_webhook"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (bearer(Role.PATIENT), 403),
        (bearer(Role.RECEPTION), 403),
        (bearer(Role.CLIENT, scope=Scope.MESSAGES_READ.value), 403),
        (bearer(Role.CLIENT, scope=Scope.WEBHOOKS_MANAGE.value), 200),
        (AS_ADMIN, 200),
    ],
)
async def test_admins_and_clients_with_the_scope_manage_webhooks(notify: RunningService, headers: dict[str, str], status: int) -> None:
    assert (await notify.http.get("/webhooks", headers=headers)).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {"url": "https://a.example", "events": []},
        {"url": "https://a.example", "events": ["appointment.deleted"]},
        {"url": "https://a.example", "events": ["*"]},
        {"url": "https://a.example"},
        {"url": "", "events": ["appointment.*"]},
        {"url": "not a url", "events": ["appointment.*"]},
        {"url": "https://user@a.example", "events": ["appointment.*"]},
        {"url": "https://a.example/\n", "events": ["appointment.*"]},
        {"url": "https://a.example", "events": ["appointment.*"], "description": "x" * 501},
        {"url": "https://a.example", "events": ["appointment.*"], "secret": "mine"},
    ],
)
async def test_a_wrong_webhook_is_refused(notify: RunningService, body: Json) -> None:
    await call(notify, "POST", "/webhooks", body, status=422)


async def test_a_private_address_is_refused_at_creation_and_change_unless_it_is_allowed(tmp_path: Path) -> None:
    async with run_service("notify_svc", tmp_path, mail_url="file:unused", webhook_key="k" * 40) as notify:
        body: Json = {"url": "https://127.0.0.1/", "events": ["appointment.*"]}
        refused = await call(notify, "POST", "/webhooks", body, status=422)
        assert (refused["code"], refused["errors"][0]["pointer"]) == ("address_not_allowed", "/url")
        created = await call(notify, "POST", "/webhooks", body | {"url": "https://8.8.8.8/"}, status=201)
        path = f"/webhooks/{created['id']}"
        assert (await call(notify, "PATCH", path, {"url": "https://10.1/"}, status=422, If_Match="1"))["code"] == "address_not_allowed"


async def test_there_are_at_most_25_webhooks(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    for _ in range(MAX_WEBHOOKS):
        last = await create(notify, endpoint)
    body = {"url": endpoint.url, "events": ["appointment.*"]}
    assert (await call(notify, "POST", "/webhooks", body, status=409))["code"] == "too_many_webhooks"
    first_page = await call(notify, "GET", "/webhooks?limit=20")
    second_page = await call(notify, "GET", f"/webhooks?limit=20&after={first_page['next']}")
    assert len({webhook["id"] for webhook in first_page["items"] + second_page["items"]}) == MAX_WEBHOOKS
    await call(notify, "DELETE", f"/webhooks/{last['id']}", status=204)
    await call(notify, "POST", "/webhooks", body, status=201)


async def test_a_repeated_creation_returns_the_same_webhook_and_secret(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    body = {"url": endpoint.url, "events": ["appointment.*"]}
    first, second = [await call(notify, "POST", "/webhooks", body, status=201, Idempotency_Key="one") for _ in range(2)]
    assert first == second
    assert len((await call(notify, "GET", "/webhooks"))["items"]) == 1


def database_files(folder: Path) -> list[Path]:
    return list(folder.glob("notify_svc.db*"))


async def test_no_secret_is_stored_in_clear_or_shown_again(notify: RunningService, endpoint: WebhookEndpoint, tmp_path: Path) -> None:
    body = {"url": endpoint.url, "events": ["appointment.*"]}
    secret = (await call(notify, "POST", "/webhooks", body, status=201, Idempotency_Key="one"))["secret"]
    assert secret not in repr(await call(notify, "GET", "/webhooks"))
    content = b"".join(file.read_bytes() for file in database_files(tmp_path))
    assert b"/hook" in content
    assert secret.removeprefix("whsec_").encode() not in content


# Delivering


async def test_an_event_is_delivered_once_to_each_webhook_that_receives_its_type(
    notify: RunningService, endpoint: WebhookEndpoint, other_endpoint: WebhookEndpoint
) -> None:
    secret = (await create(notify, endpoint))["secret"]
    await create(notify, other_endpoint, "appointment.cancelled")
    booked = event(1)
    await notify.publish_event(booked)
    await notify.publish_event(booked)
    (received,) = endpoint.received
    assert (received.headers["webhook-id"], received.facts["id"]) == (str(booked.id), str(booked.id))
    assert (received.facts["type"], received.facts["sequence"], received.facts["version"]) == ("appointment.booked", 1, 2)
    assert received.facts["data"]["appointment"]["id"] == str(APPOINTMENT)
    assert is_signed_with(secret, received)
    assert other_endpoint.received == []


async def test_a_failed_delivery_is_retried_with_the_same_id_and_body(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    endpoint.answers = [answer(500, "bro\x00ken"), answer(302, Location=endpoint.url)]
    webhook = await create(notify, endpoint)
    await notify.publish_event(event(1))
    (failed,) = await deliveries(notify, webhook)
    assert {name: failed[name] for name in ("status", "attempts", "response_status", "response_text", "problem")} == {
        "status": "queued",
        "attempts": 1,
        "response_status": 500,
        "response_text": "bro ken",
        "problem": "unsuccessful_status",
    }
    assert failed["next_attempt_at"] > failed["last_attempt_at"]
    assert (await show(notify, webhook))["failing_since"] is not None
    await pass_time(notify, 3 * MINUTE, step=10 * SECOND)
    assert len(endpoint.received) == 3
    assert len({(request.headers["webhook-id"], request.body) for request in endpoint.received}) == 1
    (delivered,) = await deliveries(notify, webhook)
    assert (delivered["status"], delivered["attempts"], delivered["problem"], delivered["next_attempt_at"]) == ("delivered", 3, None, None)
    assert (await show(notify, webhook))["failing_since"] is None


async def test_after_the_last_retry_a_delivery_is_given_up_and_the_next_event_of_the_appointment_goes_out(
    notify: RunningService, endpoint: WebhookEndpoint
) -> None:
    endpoint.answers = [answer(500)] * 9
    webhook = await create(notify, endpoint)
    await notify.publish_event(event(1))
    notify.clock.advance(SECOND)
    await notify.publish_event(event(2))
    await pass_time(notify, 15 * HOUR, step=HOUR)
    assert set(endpoint.sequences) == {1}
    await pass_time(notify, 25 * HOUR, step=HOUR)
    assert endpoint.sequences == [1] * 9 + [2]
    assert [(item["status"], item["attempts"]) for item in await deliveries(notify, webhook)] == [("failed", 9), ("delivered", 1)]


async def test_events_of_an_appointment_wait_for_the_earlier_one_and_other_appointments_do_not(
    notify: RunningService, endpoint: WebhookEndpoint
) -> None:
    endpoint.answers = [answer(503)]
    await create(notify, endpoint)
    await notify.publish_event(event(1))
    await notify.publish_event(event(2))
    await notify.publish_event(event(1, appointment_id=UUID(int=77)))
    assert [(request.facts["data"]["appointment"]["id"], request.facts["sequence"]) for request in endpoint.received] == [
        (str(APPOINTMENT), 1),
        (str(UUID(int=77)), 1),
    ]
    await pass_time(notify, 10 * SECOND, step=10 * SECOND)
    assert endpoint.sequences == [1, 1, 1, 2]


async def test_an_event_that_overtook_another_waits_for_it(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    await create(notify, endpoint)
    for number in (1, 3, 4):
        await notify.publish_event(event(number))
    assert endpoint.sequences == [1]
    await notify.publish_event(event(2))
    assert endpoint.sequences == [1, 2, 3, 4]


async def test_an_overtaken_event_that_the_webhook_does_not_receive_releases_those_that_waited(
    notify: RunningService, endpoint: WebhookEndpoint
) -> None:
    await create(notify, endpoint, "appointment.booked")
    await notify.publish_event(event(2))
    assert endpoint.sequences == []
    await notify.publish_event(event(1, "appointment.requested.v1"))
    assert endpoint.sequences == [2]


async def test_a_missing_event_is_waited_for_a_minute_and_still_delivered_when_it_comes_later(
    notify: RunningService, endpoint: WebhookEndpoint
) -> None:
    await create(notify, endpoint)
    await notify.publish_event(event(1))
    await notify.publish_event(event(3))
    await pass_time(notify, 59 * SECOND, step=59 * SECOND)
    assert endpoint.sequences == [1]
    await pass_time(notify, SECOND, step=SECOND)
    assert endpoint.sequences == [1, 3]
    await notify.publish_event(event(4))
    await notify.publish_event(event(2))
    assert endpoint.sequences == [1, 3, 4, 2]


async def test_an_appointment_from_before_the_first_webhook_is_not_waited_for(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    await notify.publish_event(event(1))
    await create(notify, endpoint)
    await notify.publish_event(event(2, "appointment.cancelled.v1", status="cancelled"))
    assert endpoint.sequences == [2]


async def test_a_receiver_that_hangs_delays_no_other_and_holds_four_places(
    notify: RunningService, endpoint: WebhookEndpoint, other_endpoint: WebhookEndpoint
) -> None:
    endpoint.usual_answer = hang
    await create(notify, endpoint)
    await create(notify, other_endpoint)
    for number in range(10):
        await notify.bus.publish("appointment.booked.v1", str(uuid4()), _message(event(1, appointment_id=UUID(int=100 + number))))
    async with asyncio.timeout(5):
        running = asyncio.create_task(notify.run_until_idle())
        await endpoint.wait_until(lambda: endpoint.open_now == 4)
        await other_endpoint.wait_until(lambda: len(other_endpoint.received) == 10)
    assert (len(other_endpoint.received), endpoint.most_open) == (10, 4)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _message(published: AppointmentEvent) -> bytes:
    return json.dumps(published.to_cloudevent("test")).encode()


async def test_gone_ends_the_webhook_and_gives_up_what_waits(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    endpoint.answers = [answer(500), answer(410)]
    webhook = await create(notify, endpoint)
    await notify.publish_event(event(1))
    notify.clock.advance(SECOND)
    await notify.publish_event(event(2))
    await pass_time(notify, 10 * SECOND, step=10 * SECOND)
    assert (await show(notify, webhook))["status"] == "ended"
    assert [(item["status"], item["problem"]) for item in await deliveries(notify, webhook)] == [
        ("failed", "unsuccessful_status"),
        ("failed", "webhook_ended"),
    ]
    await notify.publish_event(event(3))
    assert endpoint.sequences == [1, 1]
    path, version = f"/webhooks/{webhook['id']}", str((await show(notify, webhook))["version"])
    assert (await call(notify, "PATCH", path, {"status": "active"}, status=409, If_Match=version))["code"] == "webhook_ended"
    for action, body in (("ping", None), ("rotate-secret", None), ("replay", {"since": "2026-03-01T00:00:00Z"})):
        assert (await call(notify, "POST", f"{path}/{action}", body, status=409))["code"] == "webhook_ended"


async def test_retry_after_is_honoured(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    endpoint.answers = [answer(429, Retry_After="3600")]
    webhook = await create(notify, endpoint)
    await notify.publish_event(event(1))
    (delivery,) = await deliveries(notify, webhook)
    assert delivery["next_attempt_at"] == "2026-03-02T13:00:00Z"
    await pass_time(notify, 59 * MINUTE, step=MINUTE)
    assert len(endpoint.received) == 1
    await pass_time(notify, MINUTE, step=MINUTE)
    assert len(endpoint.received) == 2


# Secrets, pings and replays


async def test_for_a_day_after_a_rotation_both_secrets_sign(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    webhook = await create(notify, endpoint)
    path = f"/webhooks/{webhook['id']}"
    rotated, repeated = [await call(notify, "POST", f"{path}/rotate-secret", Idempotency_Key="r", If_Match="1") for _ in range(2)]
    assert rotated == repeated
    assert rotated["secret"] != webhook["secret"]
    await notify.publish_event(event(1))
    assert [is_signed_with(secret_owner["secret"], endpoint.received[0]) for secret_owner in (webhook, rotated)] == [True, True]
    notify.clock.advance(DAY)
    await notify.publish_event(event(2))
    later = (NOON + DAY).timestamp()
    assert [is_signed_with(secret_owner["secret"], endpoint.received[1], later) for secret_owner in (webhook, rotated)] == [False, True]


async def test_a_ping_is_sent_at_once_and_listed(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    webhook = await create(notify, endpoint, "appointment.missed")
    ping = await call(notify, "POST", f"/webhooks/{webhook['id']}/ping", status=202)
    await notify.run_until_idle()
    (received,) = endpoint.received
    assert received.facts == {"id": ping["event_id"], "type": "ping", "occurred_at": "2026-03-02T12:00:00Z"}
    assert is_signed_with(webhook["secret"], received)
    assert [item["status"] for item in await deliveries(notify, webhook)] == ["delivered"]
    await change(notify, webhook, status="paused")
    assert (await call(notify, "POST", f"/webhooks/{webhook['id']}/ping", status=409))["code"] == "webhook_paused"


async def test_one_delivery_and_all_since_an_instant_can_be_sent_again(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    webhook = await create(notify, endpoint)
    for number in (1, 2, 3):
        await notify.publish_event(event(number))
        notify.clock.advance(HOUR)
    path, listed = f"/webhooks/{webhook['id']}", await deliveries(notify, webhook)
    await call(notify, "POST", f"{path}/deliveries/{listed[0]['id']}/replay", status=202)
    await notify.run_until_idle()
    assert endpoint.sequences == [1, 2, 3, 1]
    assert endpoint.received[3].headers["webhook-id"] == endpoint.received[0].headers["webhook-id"]
    result = await call(notify, "POST", f"{path}/replay", {"since": listed[1]["created_at"]}, status=202)
    await notify.run_until_idle()
    assert (result["replayed"], endpoint.sequences) == (2, [1, 2, 3, 1, 2, 3])
    unknown = await call(notify, "POST", f"{path}/deliveries/{uuid4()}/replay", status=404)
    assert unknown["code"] == "no_such_delivery"


async def test_deliveries_are_listed_in_pages_the_newest_first(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    webhook = await create(notify, endpoint)
    for number in range(1, 6):
        await notify.publish_event(event(number))
    pages, after = [], ""
    while after is not None:
        page = await call(notify, "GET", f"/webhooks/{webhook['id']}/deliveries?limit=2{after and f'&after={after}'}")
        pages += page["items"]
        after = page["next"]
    assert len({item["id"] for item in pages}) == len(pages) == 5


# Pausing


async def test_a_paused_webhook_gets_what_came_meanwhile_in_order_when_it_is_resumed(
    notify: RunningService, endpoint: WebhookEndpoint
) -> None:
    webhook = await create(notify, endpoint)
    await change(notify, webhook, status="paused")
    await notify.publish_event(event(1))
    await pass_time(notify, 2 * DAY, step=DAY)
    await notify.publish_event(event(2))
    assert endpoint.received == []
    await change(notify, webhook, status="active")
    await notify.run_until_idle()
    assert endpoint.sequences == [1, 2]


async def test_what_waited_for_more_than_7_days_is_given_up(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    webhook = await create(notify, endpoint)
    await change(notify, webhook, status="paused")
    await notify.publish_event(event(1))
    notify.clock.advance(6 * DAY)
    await notify.publish_event(event(2))
    notify.clock.advance(DAY)
    await change(notify, webhook, status="active")
    await notify.run_until_idle()
    assert endpoint.sequences == [2]
    assert [(item["status"], item["problem"]) for item in await deliveries(notify, webhook)] == [("failed", "too_old"), ("delivered", None)]


async def test_a_webhook_that_fails_for_five_days_is_paused_and_every_active_admin_gets_one_mail(
    notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox, endpoint: WebhookEndpoint, tmp_path: Path
) -> None:
    services.admins = ADMINS
    endpoint.usual_answer = answer(500)
    webhook = await create(notify, endpoint)
    for day in range(1, 7):
        await notify.publish_event(event(1, appointment_id=UUID(int=day)))
        await pass_time(notify, DAY, step=4 * HOUR)
        assert (await show(notify, webhook))["status"] == "active" or day >= 5
    assert (await show(notify, webhook))["status"] == "paused"
    messages = [row for row in await stored_messages(tmp_path) if row.kind == "webhook_paused"]
    assert sorted(str(row.recipient_id) for row in messages) == sorted(services.admins)
    assert messages[0].facts["url"] == endpoint.url
    assert "The webhook to 127.0.0.1 was paused" in mailbox.text_to("admin@example.com")
    assert f"PATCH /webhooks/{webhook['id']}" in mailbox.text_to("admin@example.com")
    seen = len(endpoint.received)
    await pass_time(notify, DAY, step=4 * HOUR)
    assert len(endpoint.received) == seen
    endpoint.usual_answer = answer(200)
    resumed = await change(notify, webhook, status="active")
    assert resumed["failing_since"] is None
    await notify.run_until_idle()
    assert len(endpoint.received) > seen
    assert len([row for row in await stored_messages(tmp_path) if row.kind == "webhook_paused"]) == 2


async def test_while_the_admins_are_not_known_nothing_is_paused(
    notify: RunningService, services: FakeContactServices, endpoint: WebhookEndpoint
) -> None:
    services.missing_paths.add("/internal/accounts")
    endpoint.usual_answer = answer(500)
    webhook = await create(notify, endpoint)
    for day in range(1, 7):
        await notify.publish_event(event(1, appointment_id=UUID(int=day)))
        await pass_time(notify, DAY, step=4 * HOUR)
    assert (await show(notify, webhook))["status"] == "active"
    services.missing_paths.clear()
    services.admins = ADMINS
    await pass_time(notify, HOUR)
    assert (await show(notify, webhook))["status"] == "paused"


async def test_old_deliveries_and_those_of_deleted_webhooks_are_deleted(
    notify: RunningService, endpoint: WebhookEndpoint, other_endpoint: WebhookEndpoint, tmp_path: Path
) -> None:
    webhook, other = await create(notify, endpoint), await create(notify, other_endpoint)
    await notify.publish_event(event(1))
    await call(notify, "DELETE", f"/webhooks/{other['id']}", status=204)
    await pass_time(notify, 2 * HOUR)
    assert [str(row.webhook_id) for row in await stored_rows(tmp_path)] == [webhook["id"]]
    notify.clock.advance(30 * DAY)
    await pass_time(notify, 2 * HOUR)
    assert await stored_rows(tmp_path) == []


async def stored_rows(folder: Path) -> list[Any]:
    async with Database(f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db") as database, database.read() as connection:
        assert (await connection.execute(select(WEBHOOKS.c.id))).all()
        return list(await connection.execute(select(WEBHOOK_DELIVERIES)))


async def test_the_document_describes_what_receivers_get(notify: RunningService) -> None:
    document: Json = (await notify.http.get("/openapi.json")).json()
    operation = document["webhooks"]["appointment_event"]["post"]
    assert {parameter["name"] for parameter in operation["parameters"]} == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    body = operation["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/WebhookBody"}
    assert body["example"]["type"] == "appointment.requested"
    assert operation["responses"].keys() == {"204"}


# Repeated requests


async def test_a_key_with_another_webhook_is_refused_and_a_repeated_creation_is_marked(
    notify: RunningService, endpoint: WebhookEndpoint
) -> None:
    body: Json = {"url": endpoint.url, "events": ["appointment.*"]}
    first = await call(notify, "POST", "/webhooks", body, status=201, Idempotency_Key="one")
    for other in ({"events": ["appointment.booked"]}, {"url": endpoint.url + "/other"}, {"description": "x"}):
        refused = await call(notify, "POST", "/webhooks", body | other, status=422, Idempotency_Key="one")
        assert refused["code"] == "idempotency_key_reused"
    repeated = await notify.http.post("/webhooks", json=body, headers=AS_ADMIN | {"Idempotency-Key": "one"})
    assert (repeated.json(), repeated.headers["idempotent-replayed"], repeated.headers["etag"]) == (first, "true", '"1"')
    assert repeated.headers["location"] == f"/webhooks/{first['id']}"


async def test_a_repeated_creation_gives_the_first_answer_after_changes_and_revives_nothing(
    notify: RunningService, endpoint: WebhookEndpoint
) -> None:
    body: Json = {"url": endpoint.url, "events": ["appointment.*"]}
    first = await call(notify, "POST", "/webhooks", body, status=201, Idempotency_Key="one")
    await change(notify, first, description="Ours")
    await call(notify, "POST", f"/webhooks/{first['id']}/rotate-secret")
    assert await call(notify, "POST", "/webhooks", body, status=201, Idempotency_Key="one") == first
    endpoint.usual_answer = answer(500)
    await notify.publish_event(event(1))
    await call(notify, "DELETE", f"/webhooks/{first['id']}", status=204)
    assert await call(notify, "POST", "/webhooks", body, status=201, Idempotency_Key="one") == first
    assert (await call(notify, "GET", "/webhooks"))["items"] == []
    seen = len(endpoint.received)
    await pass_time(notify, 3 * MINUTE, step=MINUTE)
    assert len(endpoint.received) == seen
    await pass_time(notify, 3 * DAY, step=DAY)
    assert (await call(notify, "POST", "/webhooks", body, status=201, Idempotency_Key="one"))["id"] != first["id"]


async def test_a_repeated_rotation_gives_its_own_secret_and_changes_nothing(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    webhook = await create(notify, endpoint)
    path = f"/webhooks/{webhook['id']}/rotate-secret"
    first, second = [await call(notify, "POST", path, Idempotency_Key=key) for key in ("one", "two")]
    repeated = await notify.http.post(path, headers=AS_ADMIN | {"Idempotency-Key": "one"})
    assert (repeated.json(), repeated.headers["idempotent-replayed"], repeated.headers["etag"]) == (first, "true", '"2"')
    assert (await show(notify, webhook))["version"] == second["version"] == 3
    refused = await call(notify, "POST", path, status=422, Idempotency_Key="one", If_Match="3")
    assert refused["code"] == "idempotency_key_reused"
    await notify.publish_event(event(1))
    signed_with = [is_signed_with(each["secret"], endpoint.received[0]) for each in (webhook, first, second)]
    assert signed_with == [True, True, True]


async def test_the_sixth_rotation_of_a_day_is_refused(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    path = f"/webhooks/{(await create(notify, endpoint))['id']}/rotate-secret"
    for _ in range(5):
        await call(notify, "POST", path)
    assert (await call(notify, "POST", path, status=409))["code"] == "too_many_rotations"
    notify.clock.advance(DAY)
    await call(notify, "POST", path)


@pytest.mark.parametrize("tag", ['"99"', 'W/"1"'])
async def test_ping_and_replays_honour_if_match(notify: RunningService, endpoint: WebhookEndpoint, tag: str) -> None:
    webhook = await create(notify, endpoint)
    await notify.publish_event(event(1))
    path, (delivery,) = f"/webhooks/{webhook['id']}", await deliveries(notify, webhook)
    requests = [("ping", None), (f"deliveries/{delivery['id']}/replay", None), ("replay", {"since": "2026-03-01T00:00:00Z"})]
    for action, body in requests:
        assert (await call(notify, "POST", f"{path}/{action}", body, status=412, If_Match=tag))["code"] == "stale_version"
    await notify.run_until_idle()
    assert len(endpoint.received) == 1
    for action, body in requests:
        await call(notify, "POST", f"{path}/{action}", body, status=202, If_Match='"1"')


# What waits


async def test_resuming_and_another_url_make_what_waits_due_in_order(
    notify: RunningService, endpoint: WebhookEndpoint, other_endpoint: WebhookEndpoint
) -> None:
    endpoint.usual_answer = answer(503, Retry_After="86400")
    webhook = await create(notify, endpoint)
    for number in (1, 2):
        await notify.publish_event(event(number))
    await change(notify, webhook, status="active")
    await notify.run_until_idle()
    assert endpoint.sequences == [1, 1]
    await change(notify, webhook, url=other_endpoint.url)
    await notify.run_until_idle()
    assert (endpoint.sequences, other_endpoint.sequences) == ([1, 1], [1, 2])


async def test_a_replay_makes_what_waits_for_a_retry_due(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    endpoint.answers = [answer(503, Retry_After="86400")] * 2
    webhook = await create(notify, endpoint)
    await notify.publish_event(event(1))
    path, (waiting,) = f"/webhooks/{webhook['id']}", await deliveries(notify, webhook)
    await call(notify, "POST", f"{path}/deliveries/{waiting['id']}/replay", status=202)
    await notify.run_until_idle()
    assert endpoint.sequences == [1, 1]
    result = await call(notify, "POST", f"{path}/replay", {"since": waiting["created_at"]}, status=202)
    await notify.run_until_idle()
    assert (result["replayed"], endpoint.sequences) == (1, [1, 1, 1])
    assert [item["status"] for item in await deliveries(notify, webhook)] == ["delivered"]


async def test_events_from_a_time_without_webhooks_are_not_waited_for(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    first = await create(notify, endpoint)
    await notify.publish_event(event(1))
    await call(notify, "DELETE", f"/webhooks/{first['id']}", status=204)
    for number in (2, 3):
        await notify.publish_event(event(number, "appointment.rescheduled.v1", previous_starts_at=NOON))
    await create(notify, endpoint)
    await notify.publish_event(event(4, "appointment.cancelled.v1", status="cancelled"))
    assert endpoint.sequences == [1, 4]
    await notify.publish_event(event(6))
    assert endpoint.sequences == [1, 4]


@pytest.mark.parametrize("status", [410, 500])
async def test_an_answer_of_the_old_url_means_nothing_for_the_new_one(
    notify: RunningService, endpoint: WebhookEndpoint, other_endpoint: WebhookEndpoint, status: int
) -> None:
    may_answer = asyncio.Event()

    async def answer_later(writer: asyncio.StreamWriter) -> None:
        await may_answer.wait()
        writer.write(answer(status))
        await writer.drain()

    endpoint.usual_answer = answer_later
    webhook = await create(notify, endpoint)
    publishing = asyncio.create_task(notify.publish_event(event(1)))
    async with asyncio.timeout(5):
        await endpoint.wait_until(lambda: len(endpoint.received) == 1)
        changed = await change(notify, webhook, url=other_endpoint.url)
        may_answer.set()
        await publishing
        await notify.run_until_idle()
    assert await show(notify, webhook) == changed
    assert other_endpoint.sequences == [1]


async def test_a_strange_retry_after_does_not_undo_the_end_of_a_webhook(notify: RunningService, endpoint: WebhookEndpoint) -> None:
    endpoint.usual_answer = answer(410, Retry_After="Mon, 01 Jan 99999999999 00:00:00 GMT")
    webhook = await create(notify, endpoint)
    await notify.publish_event(event(1))
    assert (await show(notify, webhook))["status"] == "ended"
