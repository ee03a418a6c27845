"""The clinic's settings: what is set, what counts where nothing is set, who changed what, and what everybody may know."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from admin_svc.domain.clinic_settings import MAX_LOGO_BYTES
from shared.contracts.clinic import CLINIC_ID, RetentionPeriods
from shared.contracts.events import AuditRecorded, SettingsChanged
from shared.contracts.identity import Role
from tests.running import RunningService, run_service
from tests.tokens import bearer, service_bearer

ADMIN_ID = UUID("11111111-1111-4111-8111-111111111111")
ADMIN = bearer(Role.ADMIN, ADMIN_ID)
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
SETTINGS: dict[str, Any] = {
    "name": "Praxis Lindenstraße",
    "address": "Lindenstraße 5, 10969 Berlin",
    "phone": "+49 30 1234567",
    "email": "desk@clinic.example",
    "time_zone": "Europe/Berlin",
    "languages": ["de", "en"],
    "reminder_offsets_minutes": [2880, 120],
    "cancellation_policy": "Please cancel a day before.",
    "retention": {"records_years": 15, "messages_days": 90},
    "logo": "data:image/png;base64," + base64.b64encode(PNG).decode(),
}


@pytest.fixture
async def admin(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB."""
    async with run_service("admin_svc", tmp_path, database_url=sql_url, record_events=(SettingsChanged, AuditRecorded)) as service:
        yield service


async def put(admin: RunningService, body: Any, tag: str = "*", **headers: str) -> httpx.Response:
    return await admin.http.put("/admin/settings", json=body, headers=ADMIN | {"If-Match": tag} | headers)


async def read(admin: RunningService) -> dict[str, Any]:
    response = await admin.http.get("/admin/settings", headers=ADMIN)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_before_anything_is_set_the_environment_counts(admin: RunningService) -> None:
    settings = await read(admin)
    assert settings["defaults"] == {"name": "Careslot Clinic", "time_zone": "UTC", "languages": ["en"]}
    assert (settings["version"], settings["name"], settings["changed_at"]) == (1, None, None)
    clinic = (await admin.http.get("/clinic")).json()
    assert (clinic["name"], clinic["time_zone"], clinic["languages"], clinic["logo_url"]) == ("Careslot Clinic", "UTC", ["en"], None)


async def test_what_is_set_counts_and_what_is_left_out_again_does_not(admin: RunningService) -> None:
    changed = await put(admin, SETTINGS, '"1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"'), changed.text
    assert {name: changed.json()[name] for name in SETTINGS if name != "retention"} == {
        name: value for name, value in SETTINGS.items() if name != "retention"
    }
    assert changed.json()["retention"] == dict.fromkeys(changed.json()["retention"]) | SETTINGS["retention"]
    assert changed.json()["changed_by"] == str(ADMIN_ID)
    assert await read(admin) == changed.json()
    assert (await put(admin, {"name": "Other"}, '"2"')).json()["phone"] is None
    clinic = (await admin.http.get("/clinic")).json()
    assert (clinic["name"], clinic["time_zone"], clinic["languages"]) == ("Other", "UTC", ["en"])


async def test_a_stale_version_changes_nothing_and_a_missing_one_is_required(admin: RunningService) -> None:
    await put(admin, {"name": "First"}, '"1"')
    stale = await put(admin, {"name": "Second"}, '"1"')
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale_version", 2)
    missing = await admin.http.put("/admin/settings", json={"name": "Second"}, headers=ADMIN)
    assert missing.status_code == 428
    assert (await read(admin))["name"] == "First"


async def test_a_request_that_is_sent_again_makes_one_version(admin: RunningService) -> None:
    first, second = await put(admin, {"name": "First"}, '"1"'), await put(admin, {"name": "First"}, '"1"')
    assert (first.status_code, second.status_code, second.json()) == (200, 200, first.json())
    await put(admin, {"name": "Second"}, '"2"')
    assert (await put(admin, {"name": "First"}, '"1"')).json()["version"] == 2, "it is the answer to the first request"
    assert (await read(admin))["name"] == "Second"


async def test_the_same_settings_make_no_new_version_and_no_event(admin: RunningService) -> None:
    await put(admin, SETTINGS, '"1"')
    assert (await put(admin, SETTINGS, '"2"', **{"Idempotency-Key": "again"})).json()["version"] == 2
    await admin.run_until_idle()
    assert [event.topic for event in admin.published] == ["settings.changed.v1"]


async def test_a_change_is_announced_by_its_version_and_is_in_the_audit_trail(admin: RunningService) -> None:
    await put(admin, SETTINGS, '"1"')
    await admin.run_until_idle()
    changed = next(event for event in admin.published if isinstance(event, SettingsChanged))
    assert changed.model_dump(exclude={"id", "occurred_at"}) == {"clinic_id": CLINIC_ID, "version": 2}
    (line,) = (await admin.http.get("/admin/audit", headers=ADMIN)).json()["items"]
    assert (line["action"], line["actor"], line["subject"], line["source"]) == (
        "settings.changed",
        str(ADMIN_ID),
        str(CLINIC_ID),
        "admin-service",
    )
    unset = {"version": "1", "time_zone": None, "records_years": None, "messages_days": None}
    assert line["before"] == unset
    assert line["after"] == {"version": "2", "time_zone": "Europe/Berlin", "records_years": "15", "messages_days": "90"}


async def test_the_history_says_who_changed_what_from_what_to_what(admin: RunningService) -> None:
    await put(admin, SETTINGS, '"1"')
    other = uuid4()
    body = SETTINGS | {"phone": "+49 30 7654321", "logo": None}
    await admin.http.put("/admin/settings", json=body, headers=bearer(Role.ADMIN, other) | {"If-Match": '"2"'})
    page = (await admin.http.get("/admin/settings/history?limit=1", headers=ADMIN)).json()
    (change,) = page["items"]
    assert (change["version"], change["changed_by"]) == (3, str(other))
    assert change["changes"] == [
        {"field": "logo", "before": f"image/png, {len(PNG)} bytes", "after": None},
        {"field": "phone", "before": "+49 30 1234567", "after": "+49 30 7654321"},
    ]
    rest = (await admin.http.get("/admin/settings/history", params={"after": page["next"]}, headers=ADMIN)).json()
    assert ([change["version"] for change in rest["items"]], rest["next"]) == ([2], None)


async def test_shorter_retention_takes_effect_after_a_week_and_can_be_set_back_until_then(admin: RunningService) -> None:
    async def fetch() -> dict[str, Any]:
        response = await admin.http.get("/internal/settings", headers=service_bearer("patient-service"))
        return {name: response.json()[name] for name in ("retention", "former_retention")}

    unset: dict[str, Any] = dict.fromkeys(RetentionPeriods.model_fields)
    long, short = unset | {"records_years": 30}, unset | {"records_years": 3}
    first = (await put(admin, {"retention": {"records_years": 30}}, '"1"')).json()
    assert (first["retention_changes_at"], (await fetch())["former_retention"]) == ("2026-03-09T12:00:00Z", [unset])
    await admin.advance(timedelta(days=7))
    assert ((await read(admin))["retention_changes_at"], await fetch()) == (None, {"retention": long, "former_retention": []})
    shorter = await put(admin, {"retention": {"records_years": 3}}, '"2"')
    assert shorter.json()["retention_changes_at"] == "2026-03-16T12:00:00Z"
    assert await fetch() == {"retention": short, "former_retention": [long]}
    await put(admin, {"name": "Other", "retention": {"records_years": 3}}, '"3"')
    assert (await read(admin))["retention_changes_at"] == "2026-03-16T12:00:00Z", "another change does not shorten the wait"
    await admin.advance(timedelta(days=6))
    await put(admin, {"retention": {"records_years": 30}}, '"4"')
    assert ((await read(admin))["retention_changes_at"], (await fetch())["former_retention"]) == (None, []), "set back in time"
    await put(admin, {"retention": {"records_years": 3}}, '"5"')
    assert (await read(admin))["retention_changes_at"] == "2026-03-22T12:00:00Z"
    await admin.advance(timedelta(days=7))
    assert ((await read(admin))["retention_changes_at"], await fetch()) == (None, {"retention": short, "former_retention": []})


async def test_everybody_sees_the_clinic_and_its_logo(admin: RunningService) -> None:
    assert (await admin.http.get("/clinic/logo")).json()["code"] == "no_logo"
    await put(admin, SETTINGS, '"1"')
    response = await admin.http.get("/clinic")
    assert response.headers["cache-control"] == "public, max-age=60"
    public = ("name", "address", "phone", "email", "time_zone", "languages", "cancellation_policy")
    assert response.json() == {name: SETTINGS[name] for name in public} | {"logo_url": "/clinic/logo"}
    logo = await admin.http.get("/clinic/logo")
    assert (logo.headers["content-type"], logo.content) == ("image/png", PNG)


async def test_services_fetch_what_is_set_without_the_logo_itself(admin: RunningService) -> None:
    await put(admin, SETTINGS, '"1"')
    response = await admin.http.get("/internal/settings", headers=service_bearer("notification-service"))
    assert (response.json()["version"], response.json()["has_logo"], "logo" in response.json()) == (2, True, False)
    assert (await admin.http.get("/internal/settings", headers=service_bearer("api-gateway"))).status_code == 403


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"time_zone": "Mars/Base"}, "/time_zone", "unknown_time_zone"),
        ({"name": "a\nb"}, "/name", "control_character"),
        ({"languages": []}, "/languages", "too_short"),
        ({"languages": ["de", "DE"]}, "/languages", "duplicate_item"),
        ({"reminder_offsets_minutes": [60, 60]}, "/reminder_offsets_minutes", "duplicate_item"),
        ({"retention": {"records_years": 2}}, "/retention/records_years", "greater_than_equal"),
        ({"retention": {"messages_days": 29}}, "/retention/messages_days", "greater_than_equal"),
        ({"retention": {"accesses_days": 364}}, "/retention/accesses_days", "greater_than_equal"),
        ({"opening_hours": "always"}, "/opening_hours", "extra_forbidden"),
        ({"email": "nobody"}, "/email", "not_an_email"),
        ({"cancellation_policy": " "}, "/cancellation_policy", "too_short"),
    ],
    ids=["zone", "name", "no-language", "language-twice", "offset-twice", "records", "messages", "accesses", "unknown", "email", "policy"],
)
async def test_a_wrong_setting_is_refused_and_changes_nothing(
    admin: RunningService, changes: dict[str, Any], pointer: str, code: str
) -> None:
    response = await put(admin, SETTINGS | changes)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, pointer), response.text
    assert error["code"] == code
    assert (await read(admin))["version"] == 1


@pytest.mark.parametrize(
    "logo",
    [
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/png;base64,PHN2Zy8+",
        "https://clinic.example/logo.png",
        "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(MAX_LOGO_BYTES)).decode(),
    ],
    ids=["svg", "svg-that-claims-to-be-png", "address", "too-large"],
)
async def test_a_logo_is_a_small_png_or_jpeg_file(admin: RunningService, logo: str) -> None:
    assert (await put(admin, {"logo": logo})).status_code == 422
    assert (await admin.http.get("/clinic/logo")).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("GET", "/admin/settings"), ("PUT", "/admin/settings"), ("GET", "/admin/settings/history")])
async def test_only_admins_see_and_change_settings(admin: RunningService, method: str, path: str) -> None:
    assert (await admin.http.request(method, path)).status_code == 401
    for headers in (*(bearer(role) for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION)), service_bearer("auth-service")):
        assert (await admin.http.request(method, path, headers=headers)).status_code == 403
