"""The documentation that the gateway serves: the catalogue of codes, the guides, the document of the events, and the entry points."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import httpx
import jsonschema_rs
import pytest

from gateway_svc.routes.pages import GUIDES
from shared.contracts.events import TOPICS, AccountChanged, AppointmentBooked
from shared.contracts.http import Actor
from shared.contracts.identity import Role, Service
from tests.architecture.snapshots import refusal_codes
from tests.running import NOON
from tests.service.gateway.test_own_routes import FakePlatformServices, gateway_in_one_process

AS_JSON, AS_BROWSER = {"Accept": "application/json"}, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway whose services are all down: the documentation does not need them."""
    services = FakePlatformServices()
    services.down = set(Service)
    async with gateway_in_one_process(services, rate_scale=10) as http:  # there are more pages than an address may read in a minute
        yield http


class LinkCollector(HTMLParser):
    """Collects the addresses that a page refers to, and those that it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a":
            self.links.add(str(values["href"]))
        elif tag in ("link", "script", "img"):
            self.loaded.add(str(values.get("href") or values.get("src")))


async def test_the_type_of_every_problem_resolves_in_both_spellings(http: httpx.AsyncClient) -> None:
    codes = refusal_codes()
    for code in {code for group in codes.values() for code in group} | {"refused", "offset_required"}:
        dashed = await http.get(f"/problems/{code.replace('_', '-')}", headers=AS_JSON)
        assert dashed.status_code == 200, code
        assert dashed.json()["code"] == code
        assert dashed.json()["detail"].endswith("."), code
        assert "{" not in dashed.json()["detail"], code
        assert dashed.json()["what_to_do"].endswith("."), code
        assert (await http.get(f"/problems/{code}", headers=AS_JSON)).json() == dashed.json()


async def test_the_catalogue_says_where_a_code_occurs_and_with_which_status(http: httpx.AsyncClient) -> None:
    listed = await http.get("/problems", headers=AS_JSON)
    items = {item["code"]: item for item in listed.json()["items"]}
    assert list(items) == sorted(items)
    assert items["slot_taken"] == {
        "code": "slot_taken",
        "type": "/problems/slot-taken",
        "title": "Slot taken",
        "status": 409,
        "detail": "The time slot is already booked.",
        "what_to_do": "Offer one of `alternatives`, or ask for free times again with `GET /slots`.",
        "places": ["code"],
    }
    assert (items["offset_required"]["status"], items["offset_required"]["places"]) == (422, ["code", "errors"])
    assert (items["off_grid"]["status"], items["off_grid"]["places"]) == (None, ["reasons"])
    assert items["doctor_inactive"]["places"] == ["code", "reasons"]
    assert (listed.headers["vary"], listed.headers["content-type"]) == ("Accept, Accept-Encoding", "application/json")


@pytest.mark.parametrize("path", ["/problems", "/problems/", "/problems/slot-taken", "/problems/slot_taken"])
async def test_people_get_a_page_about_a_code(http: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, {"Accept": "*/*"}, AS_BROWSER, {"Accept": "application/json;q=0, text/html"}):
        page = await http.get(path, headers=headers)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "The time slot is already booked." in page.text
        assert "default-src 'none'; style-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("code", ["no-such", "slot--taken", "SLOT_TAKEN", "%3Cb%3E"])
async def test_an_unknown_code_is_not_found(http: httpx.AsyncClient, code: str) -> None:
    response = await http.get(f"/problems/{code}", headers=AS_BROWSER)
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


async def test_every_link_between_the_pages_leads_somewhere_and_nothing_comes_from_elsewhere(http: httpx.AsyncClient) -> None:
    waiting, seen = ["/docs", "/problems", *(f"/docs/guides/{name}" for name in GUIDES)], set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        page = await http.get(path, headers=AS_BROWSER)
        assert page.status_code == 200, path
        collector = LinkCollector()
        collector.feed(page.text)
        assert all(url.startswith(("/", "data:")) for url in collector.loaded), path
        for url in collector.loaded - {"data:,"}:
            assert (await http.get(url)).status_code == 200, url
        waiting += [url for url in collector.links if url.startswith("/") and not url.startswith("/openapi")]
    assert {"/problems/slot-taken", "/docs/guides/time"} < seen


async def test_the_guides_answer_what_integrators_ask(http: httpx.AsyncClient) -> None:
    assert list(GUIDES) == ["authentication", "paging", "idempotency", "concurrency", "time", "rate-limits", "messages", "webhooks"]
    words = {
        "authentication": ("Bearer", "/.well-known/openid-configuration"),
        "paging": ("next", "after"),
        "idempotency": ("Idempotent-Replayed", "is replayed under its key"),
        "concurrency": ("If-Match", "412"),
        "time": ("offset_required", "local_start"),
        "rate-limits": ("Retry-After", "429"),
        "messages": ("resent_from", "outdated"),
        "webhooks": ("webhook-signature", "ten seconds"),
    }
    for name, expected in words.items():
        page = await http.get(f"/docs/guides/{name}")
        assert "default-src 'none'; style-src 'self'" in page.headers["content-security-policy"]
        assert f"<h1>{GUIDES[name]}</h1>" in page.text
        assert all(word in page.text for word in expected), name
    assert (await http.get("/docs/guides/other")).status_code == 404


async def test_the_codes_that_the_guides_name_are_in_the_catalogue(http: httpx.AsyncClient) -> None:
    codes = {item["code"] for item in (await http.get("/problems", headers=AS_JSON)).json()["items"]}
    for name in GUIDES:
        named = re.findall(r"(?:4\d\d|503) <code>([a-z_]+)</code>", (await http.get(f"/docs/guides/{name}")).text)
        assert set(named) - codes - {"rate_limited", "too_many_attempts"} == set(), name


async def test_the_docs_page_is_found_with_a_slash_too(http: httpx.AsyncClient) -> None:
    assert (await http.get("/docs/")).text == (await http.get("/docs")).text
    assert (await http.get("/doctors/")).status_code == 404


async def test_the_root_redirects_browsers_and_tells_programs_where_everything_is(http: httpx.AsyncClient) -> None:
    redirect = await http.get("/", headers=AS_BROWSER)
    assert (redirect.status_code, redirect.headers["location"]) == (307, "/docs")
    entry_points = (await http.get("/", headers={"Accept": "*/*"})).json()
    assert entry_points.pop("name") == "Careslot"
    assert entry_points.keys() == {"documentation", "openapi", "asyncapi", "problems", "status"}
    for path in entry_points.values():
        assert (await http.get(path)).status_code == 200, path


async def test_the_asyncapi_document_describes_every_event(http: httpx.AsyncClient) -> None:
    document = (await http.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    assert sorted(channel["address"] for channel in document["channels"].values()) == sorted(TOPICS)
    for operation in document["operations"].values():
        assert resolve(document, operation["channel"]["$ref"])["address"] in TOPICS
    for channel in document["channels"].values():
        (message,) = channel["messages"].values()
        assert resolve(document, message["$ref"])["payload"]["properties"]["type"] == {"type": "string", "const": channel["address"]}


def resolve(document: Any, reference: str) -> Any:
    """Return the part of the document that a reference names."""
    for name in reference.removeprefix("#/").split("/"):
        document = document[name]
    return document


@pytest.mark.parametrize(
    "event",
    [
        AccountChanged(id=ONE, occurred_at=NOON, account_id=TWO, role=Role.DOCTOR, status="active", version=3),
        AppointmentBooked(
            id=ONE, occurred_at=NOON, appointment_id=ONE, version=1, sequence=0, status="booked", service_id=ONE, doctor_id=TWO,
            patient_id=ONE, starts_at=NOON, ends_at=NOON, time_zone="Europe/Berlin", actor=Actor(id=ONE, role=Role.PATIENT),
        ),
    ],
    ids=lambda event: event.topic,
)  # fmt: skip
async def test_a_published_event_is_as_the_asyncapi_document_says(http: httpx.AsyncClient, event: Any) -> None:
    document = (await http.get("/asyncapi.json")).json()
    schema = document["components"]["messages"][type(event).__name__]["payload"] | {"components": document["components"]}
    envelope = event.to_cloudevent("appointment-service", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    assert jsonschema_rs.is_valid(schema, envelope, validate_formats=True)
    del envelope["data"]["version"]
    assert not jsonschema_rs.is_valid(schema, envelope)
