"""Overriding templates over HTTP, and the mails that are sent with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from notify_svc.clients.languages import shipped_languages
from notify_svc.domain.templates import TEMPLATES
from notify_svc.repository.tables import TEMPLATE_OVERRIDES
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import RunningService
from tests.service.notify.fake_services import MemoryMailbox, stored_statuses
from tests.tokens import bearer, service_bearer
from tests.unit.notify.builders import an_event

ADMIN = bearer(Role.ADMIN)
BOOKED = "/admin/templates/booked/en"
SHIPPED = shipped_languages()["en"].templates["booked"].revision
"""The version of the shipped text."""
OWN: dict[str, Any] = {"subject": "See you, {{ name }}", "text": "Welcome!\n\n{{ details }}"}
ROUTES = [
    ("GET", "/admin/templates"),
    ("GET", BOOKED),
    ("PUT", BOOKED),
    ("DELETE", BOOKED),
    ("POST", f"{BOOKED}/preview"),
]


async def put(service: RunningService, body: Any = OWN, tag: str = "*", path: str = BOOKED) -> httpx.Response:
    return await service.http.put(path, json=body, headers=ADMIN | {"If-Match": tag})


async def get(service: RunningService, path: str = BOOKED) -> httpx.Response:
    return await service.http.get(path, headers=ADMIN)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_admins_may_read_and_override_templates(notify: RunningService, method: str, path: str) -> None:
    assert (await notify.http.request(method, path)).status_code == 401
    for headers in (*(bearer(role) for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION)), service_bearer("auth-service")):
        assert (await notify.http.request(method, path, headers=headers)).status_code == 403


async def test_a_shipped_template_has_a_version_and_is_the_default(notify: RunningService) -> None:
    response = await get(notify)
    body = response.json()
    assert (response.status_code, response.headers["etag"]) == (200, f'"{SHIPPED}"')
    assert (body["kind"], body["locale"], body["default"], body["version"]) == ("booked", "en", True, SHIPPED)
    assert body["subject"] == "Appointment confirmed - {{ clinic_name }}"
    assert "{{ details }}" in body["text"]
    assert (body["required"], "visit_link" in body["variables"]) == (["doctor_name", "starts_at"], True)
    assert (await notify.http.get(BOOKED, headers=ADMIN | {"If-None-Match": f'"{SHIPPED}"'})).status_code == 304


async def test_the_list_has_every_kind_in_every_language_page_by_page(notify: RunningService) -> None:
    await put(notify)
    items, path = list[dict[str, Any]](), "/admin/templates?limit=30"
    while path:
        page = (await get(notify, path)).json()
        items += page["items"]
        path = f"/admin/templates?limit=30&after={page['next']}" if page["next"] else ""
    names = [(item["kind"], item["locale"]) for item in items]
    assert names == [(kind, language) for kind in sorted(TEMPLATES) for language in ("de", "en", "es", "fr")]
    assert [name for name, item in zip(names, items, strict=True) if not item["default"]] == [("booked", "en")]


@pytest.mark.parametrize("path", ["nonsense/en", "booked/it", "booked/EN", "booked/de-CH", "amended_doctor/en", "booked%2F/en"])
async def test_a_kind_or_language_that_is_not_shipped_is_not_found(notify: RunningService, path: str) -> None:
    path = f"/admin/templates/{path}"
    responses = [
        await get(notify, path),
        await put(notify, path=path),
        await notify.http.delete(path, headers=ADMIN),
        await notify.http.post(f"{path}/preview", json={}, headers=ADMIN),
    ]
    assert {response.status_code for response in responses} == {404}


async def test_an_override_changes_the_next_mail_and_a_reset_brings_the_shipped_text_back(
    notify: RunningService, mailbox: MemoryMailbox
) -> None:
    replaced = await put(notify, tag=f'"{SHIPPED}"')
    assert (replaced.status_code, replaced.headers["etag"], replaced.json()["default"]) == (200, f'"{SHIPPED + 1}"', False)
    assert (await get(notify)).json() == replaced.json()
    await notify.publish_event(an_event(id=new_id()))
    assert mailbox.text_to("mina@example.com").startswith("Welcome!\n\nWhen: Monday")
    assert ("mina@example.com", "See you, Person mina") in mailbox.count_mails()
    reset = await notify.http.delete(BOOKED, headers=ADMIN | {"If-Match": f'"{SHIPPED + 1}"'})
    assert (reset.status_code, reset.headers["etag"], reset.json()["default"]) == (200, f'"{SHIPPED + 2}"', True)
    await notify.publish_event(an_event(id=new_id(), version=3))
    assert mailbox.text_to("mina@example.com").startswith("Hello Person mina,")


async def test_only_the_current_version_can_be_replaced(notify: RunningService) -> None:
    assert (await notify.http.put(BOOKED, json=OWN, headers=ADMIN)).status_code == 428
    assert (await put(notify, tag=f'"{SHIPPED}"')).status_code == 200
    stale = await put(notify, OWN | {"subject": "Other"}, tag=f'"{SHIPPED}"')
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale_version", SHIPPED + 1)
    assert (await notify.http.delete(BOOKED, headers=ADMIN | {"If-Match": f'"{SHIPPED}"'})).status_code == 412
    assert (await get(notify)).json()["subject"] == OWN["subject"]


async def test_the_same_text_again_and_a_reset_of_a_shipped_text_change_nothing(notify: RunningService) -> None:
    assert (await notify.http.delete(BOOKED, headers=ADMIN)).json()["version"] == SHIPPED
    assert [(await put(notify)).json()["version"] for _ in range(2)] == [SHIPPED + 1] * 2
    assert [(await notify.http.delete(BOOKED, headers=ADMIN)).json()["version"] for _ in range(2)] == [SHIPPED + 2] * 2


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"text": "{% for x in range(10**9) %}{% endfor %}{{ details }}"}, "template_syntax", "/text"),
        ({"text": "{{ details }} {{ service_name }}"}, "template_variable_unknown", "/text"),
        ({"subject": "{{ details }}"}, "template_variable_unknown", "/subject"),
        ({"text": "See you soon."}, "template_variable_missing", "/text"),
        ({"text": "{{ details }}\n" * 300}, "template_too_long", "/text"),
        ({"text": "x" * 5001}, "string_too_long", "/text"),
        ({"subject": "a\nb"}, "control_character", "/subject"),
        ({"subject": ""}, "string_too_short", "/subject"),
        ({"text": "\x00{{ details }}"}, "control_character", "/text"),
        ({"html": "<b>"}, "extra_forbidden", "/html"),
    ],
)
async def test_a_text_that_no_mail_could_be_made_from_is_refused_and_not_stored(
    notify: RunningService, changes: dict[str, Any], code: str, pointer: str
) -> None:
    for response in (await put(notify, OWN | changes), await notify.http.post(f"{BOOKED}/preview", json=OWN | changes, headers=ADMIN)):
        assert response.status_code == 422, response.text
        assert [(error["code"], error["pointer"]) for error in response.json()["errors"]] == [(code, pointer)]
    assert (await get(notify)).json()["default"] is True


async def test_a_preview_shows_example_data_and_stores_nothing(notify: RunningService, mailbox: MemoryMailbox) -> None:
    draft = await notify.http.post(f"{BOOKED}/preview", json=OWN, headers=ADMIN)
    assert draft.status_code == 200, draft.text
    assert draft.json()["subject"] == "See you, Mina Park"
    assert draft.json()["text"].startswith("Welcome!\n\nWhen: Monday, 9 March 2026, 14:00\nWith: Dr. Ada Brandt\n")
    assert "<td>Dr. Ada Brandt</td>" in draft.json()["html"]
    in_force = await notify.http.post(f"{BOOKED}/preview", json={"subject": "Only {{ name }}"}, headers=ADMIN)
    assert (in_force.json()["subject"], "Your appointment is confirmed." in in_force.json()["text"]) == ("Only Mina Park", True)
    assert ((await get(notify)).json()["version"], mailbox.mails) == (SHIPPED, [])


@pytest.mark.parametrize("kind", TEMPLATES)
async def test_every_template_can_be_previewed_and_saved_as_it_is(notify: RunningService, kind: str) -> None:
    for language in ("de", "en", "es", "fr"):
        path = f"/admin/templates/{kind}/{language}"
        assert (await notify.http.post(f"{path}/preview", json={}, headers=ADMIN)).status_code == 200
        shipped = (await get(notify, path)).json()
        saved = await put(notify, {"subject": shipped["subject"], "text": shipped["text"]}, path=path)
        assert (saved.status_code, saved.json()["text"]) == (200, shipped["text"])


async def test_an_override_that_an_older_release_stored_and_that_fails_now_stops_no_mail(
    notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db") as database, database.write() as connection:
        values = {"kind": "booked", "locale": "en", "subject": "x", "text": "{{ gone }}", "changes": 1}
        await connection.execute(TEMPLATE_OVERRIDES.insert().values(values))
    await notify.publish_event(an_event())
    assert await stored_statuses(tmp_path) == ["sent", "sent"]
    assert mailbox.text_to("mina@example.com").startswith("Hello Person mina,")
    assert 'template_overrides_failed_total{kind="booked"} 1.0' in (await notify.http.get("/metrics")).text
