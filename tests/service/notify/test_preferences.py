"""What doctors decide about their mails, and the links with which people end reminders and digests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from notify_svc.domain.unsubscribe_links import SubscriptionKind, UnsubscribeLinks
from shared.contracts.identity import Role
from tests.running import RunningService, not_found_response, run_service
from tests.tokens import bearer

PATIENT, DOCTOR = UUID(int=1), UUID(int=2)
ADA = bearer(Role.DOCTOR, DOCTOR)
PATH, SECRET, JSON = "/doctors/me/preferences", "0123456789abcdef" * 3, {"Accept": "application/json"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
BODIES: dict[str, dict[str, Any]] = {
    "empty": {},
    "form": {"data": ONE_CLICK},
    "form with a line end": {"data": {"List-Unsubscribe": "One-Click\r\n"}},
    "multipart": {"files": {"List-Unsubscribe": (None, "One-Click")}},
}


class PatientService:
    """patient-service, which records whose reminders were ended. While `is_down` it does not answer."""

    def __init__(self) -> None:
        self.ended, self.is_down, self.is_missing = list[str](), False, False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.is_down:
            raise httpx.ConnectError("down", request=request)
        assert (request.method, request.url.host) == ("POST", "patient-service")
        self.ended.append(request.url.path)
        return not_found_response() if self.is_missing else httpx.Response(204)


class PageParser(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = list[tuple[str, dict[str, str | None]]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


@pytest.fixture
def patients() -> PatientService:
    return PatientService()


@pytest.fixture
async def service(tmp_path: Path, sql_url: str, patients: PatientService) -> AsyncIterator[RunningService]:
    settings: dict[str, Any] = {"database_url": sql_url, "link_secret": SECRET, "locale": "fr"}
    async with run_service("notify_svc", tmp_path, patients, mail_url="file:unused", **settings) as running:
        yield running


def path_of(kind: SubscriptionKind, person: UUID) -> str:
    return UnsubscribeLinks("", SECRET).unsubscribe_link(person, kind)


REMINDERS, DIGEST = path_of(SubscriptionKind.REMINDERS, PATIENT), path_of(SubscriptionKind.DIGEST, DOCTOR)
UNKNOWN = REMINDERS[:-1] + ("A" if REMINDERS[-1] != "A" else "B")


async def put(service: RunningService, version: int, **fields: object) -> httpx.Response:
    return await service.http.put(PATH, json=fields, headers=ADA | {"If-Match": f'"{version}"'})


async def test_a_doctor_who_has_not_decided_gets_no_digest_and_has_a_version(service: RunningService) -> None:
    response = await service.http.get(PATH, headers=ADA)
    assert (response.json(), response.headers["etag"]) == ({"daily_digest": False, "version": 1}, '"1"')
    assert (await service.http.get(PATH, headers=ADA | {"If-None-Match": '"1"'})).status_code == 304


async def test_a_doctor_chooses_the_digest_and_the_version_grows_with_each_change(service: RunningService) -> None:
    assert (await put(service, 1, daily_digest=False)).json() == {"daily_digest": False, "version": 1}
    chosen = await put(service, 1, daily_digest=True)
    assert (chosen.json(), chosen.headers["etag"]) == ({"daily_digest": True, "version": 2}, '"2"')
    assert (await put(service, 1, daily_digest=False)).status_code == 412
    sent_back = await service.http.put(PATH, json=chosen.json(), headers=ADA | {"If-Match": '"2"'})
    assert sent_back.json()["version"] == 2
    assert (await service.http.get(PATH, headers=ADA)).json() == chosen.json()
    other = bearer(Role.DOCTOR, UUID(int=9))
    assert (await service.http.get(PATH, headers=other)).json() == {"daily_digest": False, "version": 1}


async def test_of_several_choices_for_one_version_one_is_made(service: RunningService) -> None:
    responses = await asyncio.gather(*(put(service, 1, daily_digest=True) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200] + [412] * 4


async def test_only_doctors_have_these_preferences(service: RunningService) -> None:
    for role in (Role.PATIENT, Role.RECEPTION, Role.ADMIN):
        assert (await service.http.get(PATH, headers=bearer(role))).status_code == 403
    assert (await service.http.get(PATH)).status_code == 401
    assert (await service.http.put(PATH, json={"daily_digest": True}, headers=ADA)).status_code == 428
    for body in ({}, {"daily_digest": "yes"}, {"daily_digest": None}, {"daily_digest": True, "other": 1}):
        assert (await service.http.put(PATH, json=body, headers=ADA | {"If-Match": "*"})).status_code == 422


async def test_opening_a_link_shows_a_page_with_a_button_and_changes_nothing(service: RunningService, patients: PatientService) -> None:
    await put(service, 1, daily_digest=True)
    for path, title in ((REMINDERS, "End reminders?"), (DIGEST, "End the daily digest?")):
        response = await service.http.get(path, headers={"Accept": "text/html", "Accept-Language": "en-GB,en;q=0.9"})
        page = PageParser()
        page.feed(response.text)
        assert (response.status_code, response.headers["content-language"]) == (200, "en")
        assert f"<h1>{title}</h1>" in response.text
        assert ("form", {"method": "post"}) in page.elements
        assert [tag for tag, _ in page.elements].count("button") == 1
        assert "script" not in [tag for tag, _ in page.elements]
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-store"
    assert patients.ended == []
    assert (await service.http.get(PATH, headers=ADA)).json()["daily_digest"] is True


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_one_click_ends_the_reminders_of_a_patient_and_a_second_one_is_fine(
    service: RunningService, patients: PatientService, body: dict[str, Any]
) -> None:
    for _ in range(2):
        response = await service.http.post(REMINDERS, headers=JSON, **body)
        assert (response.status_code, response.json()) == (200, {"kind": "reminders"})
    assert patients.ended == [f"/internal/patients/{PATIENT}/end-reminders"] * 2


async def test_one_click_ends_the_digest_of_a_doctor_on_every_instance(
    service: RunningService, patients: PatientService, tmp_path: Path, sql_url: str
) -> None:
    await put(service, 1, daily_digest=True)
    second = tmp_path / "second"
    second.mkdir()
    settings: dict[str, Any] = {"database_url": sql_url, "link_secret": SECRET, "mail_url": "file:unused"}
    async with run_service("notify_svc", second, patients, **settings) as other:
        for _ in range(2):
            assert (await other.http.post(DIGEST, data=ONE_CLICK)).status_code == 200
    assert (await service.http.get(PATH, headers=ADA)).json() == {"daily_digest": False, "version": 3}
    assert patients.ended == []


async def test_the_page_after_the_click_is_in_the_readers_language_or_the_clinics(service: RunningService) -> None:
    for accepted, language in (("de-AT,en;q=0.5", "de"), ("es", "es"), ("ja", "fr"), ("", "fr")):
        response = await service.http.post(REMINDERS, data=ONE_CLICK, headers={"Accept-Language": accepted})
        assert (response.status_code, response.headers["content-language"]) == (200, language)
        assert f'<html lang="{language}">' in response.text


@pytest.mark.parametrize("path", [UNKNOWN, "/unsubscribe/a", f"{REMINDERS}A"])
async def test_an_unknown_link_is_not_found_and_people_see_a_page(service: RunningService, patients: PatientService, path: str) -> None:
    for method in ("GET", "POST"):
        problem = await service.http.request(method, path, headers=JSON)
        assert (problem.status_code, problem.json()["code"]) == (404, "no_such_unsubscribe_link")
        page = await service.http.request(method, path, headers={"Accept": "text/html", "Accept-Language": "en"})
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "This link is not known" in page.text
    assert patients.ended == []


async def test_another_form_is_refused(service: RunningService, patients: PatientService) -> None:
    refused = await service.http.post(REMINDERS, data={"List-Unsubscribe": "Two-Clicks"}, headers=JSON)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/List-Unsubscribe")
    assert patients.ended == []


async def test_while_patient_service_does_not_answer_the_link_says_so_and_works_later(
    service: RunningService, patients: PatientService
) -> None:
    patients.is_down = True
    refused = await service.http.post(REMINDERS, data=ONE_CLICK, headers=JSON)
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    page = await service.http.post(REMINDERS, data=ONE_CLICK, headers={"Accept-Language": "en"})
    assert (page.status_code, "Please try again" in page.text) == (503, True)
    patients.is_down = False
    assert (await service.http.post(REMINDERS, data=ONE_CLICK)).status_code == 200


async def test_the_link_of_a_patient_who_is_gone_is_fine(service: RunningService, patients: PatientService) -> None:
    patients.is_missing = True
    assert (await service.http.post(REMINDERS, data=ONE_CLICK)).status_code == 200
