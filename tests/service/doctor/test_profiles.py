"""Finding doctors, and who may change what of a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.events import DoctorChanged
from shared.contracts.identity import Role
from tests.service.doctor.running_doctor import ADA, ADMIN, ADMIN_SERVICE, RunningDoctor, run_doctor_service
from tests.service.scheduling.clinic import recorded_queries
from tests.tokens import bearer, service_bearer


@pytest.fixture
async def three_doctors(doctors_on_sql: RunningDoctor) -> RunningDoctor:
    """Three doctors to search for."""
    await doctors_on_sql.create_doctor(
        full_name="Jürgen Groß", specialties=["Cardiology"], languages=["de", "en-GB"], location="Praxis Süd"
    )
    await doctors_on_sql.create_doctor(
        full_name="Ada Weiss", specialties=["Dermatology", "Cardiology"], languages=["de-CH"], location="100% East"
    )
    await doctors_on_sql.create_doctor(full_name="Élodie Blanc", specialties=["Pädiatrie"], languages=["fr"])
    return doctors_on_sql


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["Ada Weiss", "Jürgen Groß", "Élodie Blanc"]),
        ({"specialty": "cardiology"}, ["Ada Weiss", "Jürgen Groß"]),
        ({"specialty": "cardio"}, []),
        ({"specialty": ["dermatology", "padiatrie"]}, ["Ada Weiss", "Élodie Blanc"]),
        ({"language": "EN"}, ["Jürgen Groß"]),
        ({"language": "de"}, ["Ada Weiss", "Jürgen Groß"]),
        ({"language": "de-CH"}, ["Ada Weiss"]),
        ({"language": "da"}, []),
        ({"location": "sud"}, ["Jürgen Groß"]),
        ({"location": "%"}, ["Ada Weiss"]),
        ({"location": "_"}, []),
        ({"q": "JÜRGEN"}, ["Jürgen Groß"]),
        ({"q": "gross jurgen"}, ["Jürgen Groß"]),
        ({"q": "weiss derma"}, ["Ada Weiss"]),
        ({"q": "elodie cardiology"}, []),
        ({"specialty": "Cardiology", "language": "en"}, ["Jürgen Groß"]),
        ({"service_id": str(uuid4())}, []),
    ],
)
async def test_the_list_has_the_doctors_that_match_all_filters(
    three_doctors: RunningDoctor, filters: dict[str, Any], names: list[str]
) -> None:
    assert await three_doctors.list_names(**filters) == names


async def test_doctors_are_found_by_service_and_by_their_changed_profile(doctors_on_sql: RunningDoctor) -> None:
    first, second = await doctors_on_sql.create_service(), await doctors_on_sql.create_service(name="Other")
    doctor = await doctors_on_sql.create_doctor(services=[first])
    assert (await doctors_on_sql.list_names(service_id=first), await doctors_on_sql.list_names(service_id=second)) == (
        ["Ada Weiss"],
        [],
    )
    changed = await doctors_on_sql.update_doctor(doctor["id"], 1, services=[second, second], full_name="Ada Schwarz", location="West")
    assert (changed.json()["services"], changed.json()["version"]) == ([second], 2)
    assert (await doctors_on_sql.list_names(service_id=first), await doctors_on_sql.list_names(service_id=second)) == (
        [],
        ["Ada Schwarz"],
    )
    assert (await doctors_on_sql.list_names(q="weiss"), await doctors_on_sql.list_names(location="west")) == (
        [],
        ["Ada Schwarz"],
    )


async def test_pages_have_no_gaps_even_among_namesakes_with_long_names(doctors_on_sql: RunningDoctor) -> None:
    for _ in range(3):
        await doctors_on_sql.create_doctor(full_name="Ж" * 200)
    await doctors_on_sql.create_doctor(full_name="Ada")
    seen, path = [], "/doctors?limit=1"
    while path:
        page = await doctors_on_sql.http.get(path)
        assert page.status_code == 200, page.text
        seen += [item["id"] for item in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert len(seen) == len(set(seen)) == 4


async def test_a_list_of_doctors_does_not_read_their_schedules(doctors: RunningDoctor) -> None:
    await doctors.create_doctor()
    with recorded_queries() as queries:
        assert await doctors.list_names() == ["Ada Weiss"]
    (query,) = queries
    assert "full_name" in query
    assert not {"weekly", "overrides"} & set(query.replace(",", " ").replace(".", " ").split())


@pytest.mark.parametrize(
    "query",
    [
        "after=WyJhIl0",
        "after=WyJhIiwgImIiXQ",
        "after=!",
        "limit=0",
        "limit=101",
        "sort=name",
        "service_id=1",
        "q=",
        "q=a%0Ab",
        "q=%E2%80%8B",
        "location=a%09",
        "language=a%00",
        "specialty=%0A",
    ],
)
async def test_unknown_parameters_of_a_list_are_refused(doctors: RunningDoctor, query: str) -> None:
    assert (await doctors.http.get(f"/doctors?{query}")).status_code == 422


async def test_a_doctor_without_time_zone_gets_the_clinics_and_keeps_it(tmp_path: Path) -> None:
    """Working hours and booked visits depend on the zone, so a new zone of the clinic must not move them."""
    ada = {name: value for name, value in ADA.items() if name != "time_zone"}
    async with run_doctor_service(tmp_path, time_zone="America/New_York") as doctors:
        created = await doctors.http.post("/doctors", json=ada, headers=ADMIN)
        path = f"/internal/doctors/{uuid4()}"
        by_admin_service = await doctors.http.put(path, json=ada | {"email": "b@clinic.example"}, headers=ADMIN_SERVICE)
        assert (created.json()["time_zone"], by_admin_service.json()["time_zone"]) == ("America/New_York", "America/New_York")
        assert {account["time_zone"] for account in doctors.auth.accounts.values()} == {"America/New_York"}
    async with run_doctor_service(tmp_path, time_zone="Asia/Tokyo") as doctors:
        assert (await doctors.http.get(f"/doctors/{created.json()['id']}")).json()["time_zone"] == "America/New_York"


async def test_specialties_are_those_of_active_services_and_active_doctors(doctors_on_sql: RunningDoctor) -> None:
    await doctors_on_sql.create_service(specialty="Cardiology")
    await doctors_on_sql.create_service(name="Old", specialty="Leeches", active=False)
    await doctors_on_sql.create_doctor(specialties=["Dermatology", "Cardiology"])
    await doctors_on_sql.update_doctor((await doctors_on_sql.create_doctor(specialties=["Magic"]))["id"], 1, active=False)
    assert (await doctors_on_sql.http.get("/specialties")).json() == {"items": ["Cardiology", "Dermatology"]}


async def test_an_admin_changes_every_field_and_null_removes_one(doctors: RunningDoctor) -> None:
    service = await doctors.create_service()
    doctor = await doctors.create_doctor(title="Dr.", bio="Kind.", location="East")
    request: dict[str, Any] = {
        "full_name": "Ada Schwarz",
        "time_zone": "Asia/Tokyo",
        "specialties": ["Magic"],
        "services": [service],
        "active": True,
    }
    changed = await doctors.update_doctor(doctor["id"], 1, **request, title=None, location=None)
    expected = doctor | request | {"title": None, "location": None, "version": 2}
    outside_hours = {"outside_hours": [], "outside_hours_complete": True}
    assert (changed.status_code, changed.headers["etag"], changed.json()) == (200, '"2"', expected | outside_hours)
    assert (await doctors.http.get(f"/doctors/{doctor['id']}")).json() == expected
    assert [(event.version, event.rules.full_name) for event in await doctors.list_events(DoctorChanged)] == [
        (2, "Ada Weiss"),
        (4, "Ada Schwarz"),  # the new time zone is a new version of the schedule too
    ]


async def test_a_change_of_nothing_makes_no_new_version_and_no_event(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor(title="Dr.")
    assert (await doctors.update_doctor(doctor["id"], 1, title="Dr.")).json() == doctor
    assert (await doctors.update_doctor(doctor["id"], 1)).json() == doctor
    assert len(await doctors.list_events(DoctorChanged)) == 1


async def test_doctors_change_only_their_own_fields_of_their_own_profile(doctors: RunningDoctor) -> None:
    ada, bob = await doctors.create_doctor(), await doctors.create_doctor()
    own = bearer(Role.DOCTOR, ada["id"])
    own_fields = {"title": "Prof.", "bio": "Kind.", "languages": ["de"], "location": "East", "accepting_patients": False}
    changed = await doctors.update_doctor(ada["id"], 1, own, **own_fields)
    assert (changed.status_code, changed.json()) == (200, ada | own_fields | {"version": 2})
    for field, value in (("full_name", "X"), ("services", []), ("specialties", []), ("time_zone", "UTC"), ("active", True)):
        refused = await doctors.update_doctor(ada["id"], 2, own, **{field: value})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_yours_to_change")
    other = await doctors.update_doctor(bob["id"], 7, own, bio=1)
    assert (other.status_code, other.json()["code"]) == (403, "not_yours")


@pytest.mark.parametrize(
    "changes",
    [{"full_name": None}, {"services": None}, {"active": None}, {"accepting_patients": "no"}, {"email": "x@y.example"}, {"id": "x"}],
)
async def test_an_invalid_change_is_refused(doctors: RunningDoctor, changes: dict[str, Any]) -> None:
    assert (await doctors.update_doctor((await doctors.create_doctor())["id"], 1, **changes)).status_code == 422


async def test_refusals_of_a_change_come_in_the_common_order(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    path, match = f"/doctors/{doctor['id']}", {"If-Match": '"9"'}
    assert (await doctors.http.patch(path, json={})).status_code == 401
    assert (await doctors.http.patch(path, json={}, headers=bearer(Role.PATIENT))).status_code == 403
    assert (await doctors.http.patch(path, content=b"{", headers=ADMIN | {"content-type": "application/json"})).status_code == 400
    assert (await doctors.http.patch(path, json={"x": 1}, headers=ADMIN)).status_code == 428
    assert (await doctors.http.patch(path, json={"x": 1}, headers=ADMIN | match)).status_code == 422
    assert (await doctors.http.patch(f"/doctors/{uuid4()}", json={}, headers=ADMIN | match)).status_code == 404
    stale = await doctors.http.patch(path, json={"bio": "X"}, headers=ADMIN | match)
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale_version", 1)
    unknown = await doctors.update_doctor(doctor["id"], 1, services=[str(uuid4())])
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_service")


async def test_an_inactive_doctor_is_visible_to_admins_and_themselves_only(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    assert (await doctors.update_doctor(doctor["id"], 1, active=False)).json()["active"] is False
    assert await doctors.list_names() == []
    path = f"/doctors/{doctor['id']}"
    for headers in ({}, bearer(Role.PATIENT), bearer(Role.RECEPTION), bearer(Role.DOCTOR)):
        assert (await doctors.http.get(path, headers=headers)).status_code == 404
        assert (await doctors.http.get(f"{path}/schedules", headers=headers)).status_code == 404
    for headers in (ADMIN, bearer(Role.DOCTOR, doctor["id"])):
        assert (await doctors.http.get(path, headers=headers)).status_code == 200
    assert (await doctors.http.get(f"/internal{path}", headers=ADMIN_SERVICE)).json()["active"] is False


async def test_a_doctor_is_inactive_while_their_account_is_disabled_or_has_another_role(doctors_on_sql: RunningDoctor) -> None:
    doctor = await doctors_on_sql.create_doctor()
    await doctors_on_sql.change_account(doctor["id"], "disabled", 2)
    assert await doctors_on_sql.list_names() == []
    refused = await doctors_on_sql.update_doctor(doctor["id"], 2, active=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_dismissed")
    await doctors_on_sql.change_account(doctor["id"], "active", 1)  # older than what is known
    assert await doctors_on_sql.list_names() == []
    await doctors_on_sql.change_account(doctor["id"], "active", 3)
    assert await doctors_on_sql.list_names() == ["Ada Weiss"]
    await doctors_on_sql.change_account(doctor["id"], "active", 4, role=Role.RECEPTION)
    assert await doctors_on_sql.list_names() == []
    assert [(event.version, event.rules.active) for event in await doctors_on_sql.list_events(DoctorChanged)] == [
        (2, True),
        (3, False),
        (4, True),
        (5, False),
    ]


async def test_an_accepted_invitation_does_not_activate_a_doctor_whom_the_clinic_deactivated(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    await doctors.change_account(doctor["id"], "invited", 1)
    await doctors.update_doctor(doctor["id"], 1, active=False)
    await doctors.change_account(doctor["id"], "active", 2)
    assert await doctors.list_names() == []


async def test_events_of_other_accounts_are_ignored(doctors: RunningDoctor) -> None:
    await doctors.create_doctor()
    await doctors.change_account(str(uuid4()), "disabled", 2, role=Role.PATIENT)
    assert await doctors.list_names() == ["Ada Weiss"]


async def test_other_services_read_the_rules_of_all_doctors_and_services_page_by_page(doctors_on_sql: RunningDoctor) -> None:
    service = await doctors_on_sql.create_service()
    await doctors_on_sql.create_service(name="Old", active=False)
    ids = sorted([(await doctors_on_sql.create_doctor(services=[service]))["id"] for _ in range(3)])
    await doctors_on_sql.update_doctor(ids[1], 1, active=False)
    calendar = service_bearer("scheduling-service")
    first = (await doctors_on_sql.http.get("/internal/doctors?limit=2", headers=calendar)).json()
    rest = (await doctors_on_sql.http.get(f"/internal/doctors?limit=2&after={first['next']}", headers=calendar)).json()
    assert ([rules["id"] for rules in first["items"] + rest["items"]], rest["next"]) == (ids, None)
    assert [rules["active"] for rules in first["items"]] == [True, False]
    services = (await doctors_on_sql.http.get("/internal/services", headers=calendar)).json()["items"]
    assert [(rules["name"], rules["active"]) for rules in services] == [("Check-up", True), ("Old", False)]
    assert (await doctors_on_sql.http.get(f"/internal/services/{service}", headers=calendar)).json() == services[0]
    assert (await doctors_on_sql.http.get(f"/internal/doctors/{ids[0]}", headers=calendar)).json() == first["items"][0]


@pytest.mark.parametrize(
    "path", ["/internal/doctors", "/internal/services", f"/internal/doctors/{UUID(int=1)}", f"/internal/services/{UUID(int=1)}"]
)
async def test_people_cannot_read_internal_routes(doctors: RunningDoctor, path: str) -> None:
    assert (await doctors.http.get(path)).status_code == 401
    assert (await doctors.http.get(path, headers=ADMIN)).status_code == 403
    assert (await doctors.http.get(path, headers=service_bearer("patient-service"))).status_code == 403


async def test_admin_service_changes_a_name(doctors: RunningDoctor) -> None:
    doctor = await doctors.create_doctor()
    path = f"/internal/doctors/{doctor['id']}"
    renamed = await doctors.http.patch(path, json={"full_name": "Ada Schwarz"}, headers=ADMIN_SERVICE)
    assert (renamed.status_code, renamed.json()["full_name"], renamed.json()["version"]) == (200, "Ada Schwarz", 3)
    assert (await doctors.http.patch(path, json={"bio": "X"}, headers=ADMIN_SERVICE)).status_code == 422
    assert (await doctors.http.patch(path, json={"full_name": "X"}, headers=ADMIN)).status_code == 403
