"""Messages that staff write to patients: sent once, to the patient or to the guardians, and erased with the patient's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from notify_svc.domain.messages import MessageStatus
from shared.contracts.events import PatientErased
from shared.contracts.identity import Role, Service
from shared.kit.ids import new_id
from tests.running import NOON, RunningService
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox, stored_messages
from tests.service.notify.test_dependants import dependant as dependant
from tests.tokens import bearer, service_bearer
from tests.unit.notify.builders import PATIENT

MESSAGE_ID, TEXT = UUID(int=0x77), "The lift is out of order.\nPlease use the <rear> entrance."


async def write(notify: RunningService, number: UUID = MESSAGE_ID, **changes: Any) -> httpx.Response:
    body = {"patient_id": str(PATIENT), "text": TEXT} | changes
    url = f"/internal/clinic-messages/{number}"
    response = await notify.http.put(url, json=body, headers=service_bearer(Service.ADMIN))
    await notify.run_until_idle()
    return response


async def test_a_message_is_sent_to_the_patient_once_however_often_it_is_requested(notify: RunningService, mailbox: MemoryMailbox) -> None:
    assert [(await write(notify)).status_code for _ in range(3)] == [204, 204, 204]
    assert mailbox.count_mails() == {("mina@example.com", "A message from your clinic"): 1}
    assert TEXT in mailbox.text_to("mina@example.com")


async def test_two_messages_to_one_patient_are_both_sent(notify: RunningService, mailbox: MemoryMailbox) -> None:
    await write(notify)
    await write(notify, new_id(), text="The lift works again.")
    assert mailbox.count_mails() == {("mina@example.com", "A message from your clinic"): 2}


async def test_the_guardians_of_a_dependant_get_it_in_their_languages(
    notify: RunningService, mailbox: MemoryMailbox, dependant: FakeContactServices
) -> None:
    await write(notify)
    assert mailbox.count_mails() == {
        ("lena@example.com", "Eine Nachricht Ihrer Praxis"): 1,
        ("paul@example.com", "A message from your clinic"): 1,
    }
    assert TEXT in mailbox.text_to("lena@example.com")


async def test_a_text_without_a_visible_character_or_too_long_is_refused(notify: RunningService, mailbox: MemoryMailbox) -> None:
    for text in ("", " ", "x" * 2001, "a\x00b"):
        assert (await write(notify, text=text)).status_code == 422
    assert not mailbox.mails


async def test_only_admin_service_may_send_one(notify: RunningService) -> None:
    body = {"patient_id": str(PATIENT), "text": TEXT}
    for caller in (service_bearer(Service.APPOINTMENT), bearer(Role.ADMIN), bearer(Role.PATIENT, PATIENT)):
        assert (await notify.http.put(f"/internal/clinic-messages/{MESSAGE_ID}", json=body, headers=caller)).status_code == 403


async def test_the_text_is_erased_with_the_data_of_the_patient(
    notify: RunningService, services: FakeContactServices, tmp_path: Path, mailbox: MemoryMailbox, dependant: FakeContactServices
) -> None:
    await write(notify)
    await notify.publish_event(PatientErased(id=new_id(), occurred_at=NOON, patient_id=PATIENT, erasure_id=UUID(int=9), pass_number=1))
    stored = await stored_messages(tmp_path)
    assert len(stored) == 3
    assert "lift" not in str([message.facts for message in stored])
    resent = await notify.http.post(f"/admin/messages/{stored[-1].id}/resend", headers=bearer(Role.ADMIN))
    await notify.run_until_idle()
    assert resent.status_code == 200, resent.text
    newest = [message for message in await stored_messages(tmp_path) if str(message.id) == resent.json()["id"]]
    assert [(message.status, message.problem) for message in newest] == [(MessageStatus.FAILED, "erased")]
