"""What notification-service reports to the audit trail."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from shared.contracts.events import PasswordChanged
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from tests.running import NOON, run_service
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox
from tests.service.reported_lines import read_reported
from tests.tokens import bearer
from tests.unit.notify.builders import PATIENT

ADMIN_ID = UUID(int=77)
ADMIN = bearer(Role.ADMIN, ADMIN_ID)
TEMPLATE = "/admin/templates/booked/en"
OWN = {"subject": "See you, {{ name }}", "text": "Welcome!\n\n{{ details }}"}
HOOK = {"url": "http://127.0.0.1:9/hook", "events": ["appointment.*"], "description": "The ward"}


async def test_templates_webhooks_and_resends_are_reported_without_texts_and_addresses(
    tmp_path: Path, mailbox: MemoryMailbox, services: FakeContactServices
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'notify.db'}"
    settings: dict[str, Any] = {"mail_url": "file:unused", "webhook_allow_private": True, "webhook_key": "k" * 40, "database_url": url}
    async with run_service("notify_svc", tmp_path, services, mailbox=mailbox, **settings) as notify:
        http, any_version = notify.http, ADMIN | {"If-Match": "*"}
        for _ in range(2):
            assert (await http.put(TEMPLATE, json=OWN, headers=any_version)).status_code == 200
        await http.delete(TEMPLATE, headers=ADMIN)
        webhook = (await http.post("/webhooks", json=HOOK, headers=ADMIN)).json()["id"]
        await http.patch(f"/webhooks/{webhook}", json={"status": "paused"}, headers=any_version)
        await http.post(f"/webhooks/{webhook}/rotate-secret", headers=ADMIN)
        await http.delete(f"/webhooks/{webhook}", headers=ADMIN)
        await notify.publish_event(PasswordChanged(id=new_id(), occurred_at=NOON, account_id=PATIENT))
        message = (await http.get("/admin/messages", headers=ADMIN)).json()["items"][0]["id"]
        for _ in range(2):
            headers = ADMIN | {"Idempotency-Key": "one"}
            assert (await http.post(f"/admin/messages/{message}/resend", headers=headers)).status_code == 200
    lines = await read_reported(url)
    assert [(line.action, line.actor_id) for line in lines] == [
        (action, ADMIN_ID)
        for action in (
            "template.change",
            "template.reset",
            "webhook.create",
            "webhook.change",
            "webhook.rotate_secret",
            "webhook.delete",
            "message.resend",
        )
    ]
    assert lines[0].after == {"kind": "booked", "locale": "en", "changes": "1"}
    assert lines[0].subject_id == lines[1].subject_id
    assert {str(line.subject_id) for line in lines[2:6]} == {webhook}
    assert lines[3].after is not None
    assert lines[3].after["status"] == "paused"
    assert lines[6].subject_id == PATIENT
    told = "".join(line.model_dump_json() for line in lines)
    assert not [text for text in ("Welcome", "127.0.0.1", "ward", "whsec") if text in told]
