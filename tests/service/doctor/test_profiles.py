"""Finding doctors, and who may change what of a profile."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.contracts.identity import Role
from tests.service.doctor.practice import ADMIN, ADMIN_SERVICE, Practice
from tests.service.scheduling.clinic import recorded_queries
from tests.tokens import bearer, service_bearer


@pytest.fixture
async def staffed(anywhere: Practice) -> Practice:
    """Three doctors to look for."""
    await anywhere.engage(full_name="Jürgen Groß", specialties=["Cardiology"], languages=["de", "en-GB"], location="Praxis Süd")
    await anywhere.engage(full_name="Ada Weiss", specialties=["Dermatology", "Cardiology"], languages=["de-CH"], location="100% East")
    await anywhere.engage(full_name="Élodie Blanc", specialties=["Pädiatrie"], languages=["fr"])
    return anywhere


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["Ada Weiss", "Jürgen Groß", "Élodie Blanc"]),
        ({"specialty": "cardiology"}, ["Ada Weiss", "Jürgen Groß"]),
        ({"specialty": "cardio"}, []),
        ({"specialty": ["dermatology", "padiatrie"]}, ["Ada Weiss", "Élodie Blanc"]),
        ({"language": "EN"}, ["Jürgen Groß"]),
        ({"language": "de"}, ["Ada Weiss", "Jürgen Groß"]),
        ({"language": "de-CH"}, ["Ada Weiss"]),
        ({"language": "d"}, []),
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
async def test_doctors_are_found_as_people_search(staffed: Practice, filters: dict[str, Any], found: list[str]) -> None:
    assert await staffed.names(**filters) == found


async def test_doctors_are_found_by_service_and_anew_when_their_profile_changes(anywhere: Practice) -> None:
    one, other = await anywhere.offer(), await anywhere.offer(name="Other")
    doctor = await anywhere.engage(services=[one])
    assert (await anywhere.names(service_id=one), await anywhere.names(service_id=other)) == (["Ada Weiss"], [])
    changed = await anywhere.amend(doctor["id"], 1, services=[other, other], full_name="Ada Schwarz", location="West")
    assert (changed.json()["services"], changed.json()["version"]) == ([other], 2)
    assert (await anywhere.names(service_id=one), await anywhere.names(service_id=other)) == ([], ["Ada Schwarz"])
    assert (await anywhere.names(q="weiss"), await anywhere.names(location="west")) == ([], ["Ada Schwarz"])


async def test_pages_have_no_gaps_even_among_namesakes_with_long_names(anywhere: Practice) -> None:
    for _ in range(3):
        await anywhere.engage(full_name="Ж" * 200)
    await anywhere.engage(full_name="Ada")
    seen, path = [], "/doctors?limit=1"
    while path:
        page = await anywhere.http.get(path)
        assert page.status_code == 200, page.text
        seen += [item["id"] for item in page.json()["items"]]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert len(seen) == len(set(seen)) == 4


async def test_a_list_of_doctors_reads_no_hours(doctors: Practice) -> None:
    await doctors.engage()
    with recorded_queries() as asked:
        assert await doctors.names() == ["Ada Weiss"]
    (question,) = asked
    assert "full_name" in question
    assert not {"weekly", "overrides"} & set(question.replace(",", " ").replace(".", " ").split())


@pytest.mark.parametrize(
    "query", ["after=WyJhIl0", "after=WyJhIiwgImIiXQ", "after=!", "limit=0", "limit=101", "sort=name", "service_id=1", "q="]
)
async def test_what_a_list_does_not_know_is_refused(doctors: Practice, query: str) -> None:
    assert (await doctors.http.get(f"/doctors?{query}")).status_code == 422


async def test_specialties_are_those_of_services_on_offer_and_of_active_doctors(anywhere: Practice) -> None:
    await anywhere.offer(specialty="Cardiology")
    await anywhere.offer(name="Old", specialty="Leeches", active=False)
    await anywhere.engage(specialties=["Dermatology", "Cardiology"])
    await anywhere.amend((await anywhere.engage(specialties=["Magic"]))["id"], 1, active=False)
    assert (await anywhere.http.get("/specialties")).json() == {"items": ["Cardiology", "Dermatology"]}


async def test_an_admin_changes_all_and_null_takes_away(doctors: Practice) -> None:
    service = await doctors.offer()
    doctor = await doctors.engage(title="Dr.", bio="Kind.", location="East")
    wish: dict[str, Any] = {
        "full_name": "Ada Schwarz",
        "time_zone": "Asia/Tokyo",
        "specialties": ["Magic"],
        "services": [service],
        "active": True,
    }
    changed = await doctors.amend(doctor["id"], 1, **wish, title=None, location=None)
    expected = doctor | wish | {"title": None, "location": None, "version": 2}
    assert (changed.status_code, changed.headers["etag"], changed.json()) == (200, '"2"', expected)
    assert (await doctors.http.get(f"/doctors/{doctor['id']}")).json() == expected
    assert [(event.version, event.rules.full_name) for event in await doctors.told()] == [(2, "Ada Weiss"), (3, "Ada Schwarz")]


async def test_what_changes_nothing_is_no_new_version_and_no_news(doctors: Practice) -> None:
    doctor = await doctors.engage(title="Dr.")
    assert (await doctors.amend(doctor["id"], 1, title="Dr.")).json() == doctor
    assert (await doctors.amend(doctor["id"], 1)).json() == doctor
    assert len(await doctors.told()) == 1


async def test_doctors_change_their_own_profile_and_only_that(doctors: Practice) -> None:
    ada, bob = await doctors.engage(), await doctors.engage()
    own = bearer(Role.DOCTOR, ada["id"])
    mine = {"title": "Prof.", "bio": "Kind.", "languages": ["de"], "location": "East", "accepting_patients": False}
    changed = await doctors.amend(ada["id"], 1, own, **mine)
    assert (changed.status_code, changed.json()) == (200, ada | mine | {"version": 2})
    for theirs, value in (("full_name", "X"), ("services", []), ("specialties", []), ("time_zone", "UTC"), ("active", True)):
        refused = await doctors.amend(ada["id"], 2, own, **{theirs: value})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_yours_to_change")
    other = await doctors.amend(bob["id"], 7, own, bio=1)
    assert (other.status_code, other.json()["code"]) == (403, "not_yours")


@pytest.mark.parametrize(
    "changes",
    [{"full_name": None}, {"services": None}, {"active": None}, {"accepting_patients": "no"}, {"email": "x@y.example"}, {"id": "x"}],
)
async def test_a_wrong_change_is_refused(doctors: Practice, changes: dict[str, Any]) -> None:
    assert (await doctors.amend((await doctors.engage())["id"], 1, **changes)).status_code == 422


async def test_a_change_is_refused_in_the_order_of_the_house(doctors: Practice) -> None:
    doctor = await doctors.engage()
    path, match = f"/doctors/{doctor['id']}", {"If-Match": '"9"'}
    assert (await doctors.http.patch(path, json={})).status_code == 401
    assert (await doctors.http.patch(path, json={}, headers=bearer(Role.PATIENT))).status_code == 403
    assert (await doctors.http.patch(path, content=b"{", headers=ADMIN | {"content-type": "application/json"})).status_code == 400
    assert (await doctors.http.patch(path, json={"x": 1}, headers=ADMIN)).status_code == 428
    assert (await doctors.http.patch(path, json={"x": 1}, headers=ADMIN | match)).status_code == 422
    assert (await doctors.http.patch(f"/doctors/{uuid4()}", json={}, headers=ADMIN | match)).status_code == 404
    stale = await doctors.http.patch(path, json={"bio": "X"}, headers=ADMIN | match)
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "stale_version", 1)
    unknown = await doctors.amend(doctor["id"], 1, services=[str(uuid4())])
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_service")


async def test_an_inactive_doctor_is_there_for_admins_and_themselves_only(doctors: Practice) -> None:
    doctor = await doctors.engage()
    assert (await doctors.amend(doctor["id"], 1, active=False)).json()["active"] is False
    assert await doctors.names() == []
    path = f"/doctors/{doctor['id']}"
    for headers in ({}, bearer(Role.PATIENT), bearer(Role.RECEPTION), bearer(Role.DOCTOR)):
        assert (await doctors.http.get(path, headers=headers)).status_code == 404
        assert (await doctors.http.get(f"{path}/schedules", headers=headers)).status_code == 404
    for headers in (ADMIN, bearer(Role.DOCTOR, doctor["id"])):
        assert (await doctors.http.get(path, headers=headers)).status_code == 200
    assert (await doctors.http.get(f"/internal{path}", headers=ADMIN_SERVICE)).json()["active"] is False


async def test_a_dismissed_doctor_is_inactive_until_reinstated(anywhere: Practice) -> None:
    doctor = await anywhere.engage()
    await anywhere.account_is(doctor["id"], "disabled", 2)
    assert await anywhere.names() == []
    refused = await anywhere.amend(doctor["id"], 2, active=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_dismissed")
    await anywhere.account_is(doctor["id"], "active", 1)  # late
    assert await anywhere.names() == []
    await anywhere.account_is(doctor["id"], "active", 3)
    assert await anywhere.names() == ["Ada Weiss"]
    await anywhere.account_is(doctor["id"], "active", 4, role=Role.RECEPTION)
    assert await anywhere.names() == []
    assert [(event.version, event.rules.active) for event in await anywhere.told()] == [(2, True), (3, False), (4, True), (5, False)]


async def test_an_accepted_invitation_leaves_alone_what_the_clinic_said(doctors: Practice) -> None:
    doctor = await doctors.engage()
    await doctors.account_is(doctor["id"], "invited", 1)
    await doctors.amend(doctor["id"], 1, active=False)
    await doctors.account_is(doctor["id"], "active", 2)
    assert await doctors.names() == []


async def test_accounts_of_others_are_nothing_to_a_doctor(doctors: Practice) -> None:
    await doctors.engage()
    await doctors.account_is(str(uuid4()), "disabled", 2, role=Role.PATIENT)
    assert await doctors.names() == ["Ada Weiss"]


async def test_neighbours_read_rules_of_all_doctors_and_services_page_by_page(anywhere: Practice) -> None:
    service = await anywhere.offer()
    await anywhere.offer(name="Old", active=False)
    ids = sorted([(await anywhere.engage(services=[service]))["id"] for _ in range(3)])
    await anywhere.amend(ids[1], 1, active=False)
    calendar = service_bearer("scheduling-service")
    first = (await anywhere.http.get("/internal/doctors?limit=2", headers=calendar)).json()
    rest = (await anywhere.http.get(f"/internal/doctors?limit=2&after={first['next']}", headers=calendar)).json()
    assert ([rules["id"] for rules in first["items"] + rest["items"]], rest["next"]) == (ids, None)
    assert [rules["active"] for rules in first["items"]] == [True, False]
    services = (await anywhere.http.get("/internal/services", headers=calendar)).json()["items"]
    assert [(rules["name"], rules["active"]) for rules in services] == [("Check-up", True), ("Old", False)]
    assert (await anywhere.http.get(f"/internal/services/{service}", headers=calendar)).json() == services[0]
    assert (await anywhere.http.get(f"/internal/doctors/{ids[0]}", headers=calendar)).json() == first["items"][0]


@pytest.mark.parametrize(
    "path", ["/internal/doctors", "/internal/services", f"/internal/doctors/{UUID(int=1)}", f"/internal/services/{UUID(int=1)}"]
)
async def test_people_never_read_what_is_for_neighbours(doctors: Practice, path: str) -> None:
    assert (await doctors.http.get(path)).status_code == 401
    assert (await doctors.http.get(path, headers=ADMIN)).status_code == 403
    assert (await doctors.http.get(path, headers=service_bearer("patient-service"))).status_code == 403


async def test_admin_service_changes_a_name(doctors: Practice) -> None:
    doctor = await doctors.engage()
    path = f"/internal/doctors/{doctor['id']}"
    renamed = await doctors.http.patch(path, json={"full_name": "Ada Schwarz"}, headers=ADMIN_SERVICE)
    assert (renamed.status_code, renamed.json()["full_name"], renamed.json()["version"]) == (200, "Ada Schwarz", 3)
    assert (await doctors.http.patch(path, json={"bio": "X"}, headers=ADMIN_SERVICE)).status_code == 422
    assert (await doctors.http.patch(path, json={"full_name": "X"}, headers=ADMIN)).status_code == 403
