"""What neighbours may ask, and what they learn without asking."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from shared.contracts.events import AccountChanged, AccountInvited, DoctorChanged, PatientChanged, SessionEnded
from shared.contracts.http import DoctorRules
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from tests.running import NOON
from tests.service.auth.house import BOSS, OTHER, PASSWORD, House, code, opened


async def test_an_account_is_put_once_however_often_it_is_sent(house: House) -> None:
    account_id = uuid4()
    first, again = await house.put(account_id), await house.put(account_id, full_name="Someone Else")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    card = first.json()
    assert (card["id"], card["email"], card["role"], card["status"]) == (str(account_id), "rae@clinic.example", "reception", "invited")
    assert len(await house.published(AccountInvited)) == 1


async def test_the_same_account_put_by_many_at_once_is_one(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        account_id = uuid4()
        answers = await asyncio.gather(*(house.put(account_id) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(await house.published(AccountInvited)) == 1


async def test_an_account_with_a_password_is_active(house: House) -> None:
    assert (await house.put(password=PASSWORD)).json()["status"] == "active"
    assert (await house.login("rae@clinic.example")).status_code == 200
    assert await house.published(AccountInvited) == []


async def test_what_no_person_may_be_is_refused(house: House) -> None:
    await house.register()
    assert code(await house.put(email="SAM@example.com")) == (409, "email_taken")
    assert code(await house.put(password="passwordpassword")) == (422, "password_too_weak")
    for role in ("service", "system", "king"):
        assert code(await house.put(role=role)) == (422, "validation_failed")


async def test_a_patient_that_is_put_has_a_profile_or_no_account(house: House) -> None:
    account_id = uuid4()
    house.profiles.down = True
    assert (await house.put(account_id, role="patient")).status_code == 503
    house.profiles.down = False
    assert (await house.put(account_id, role="patient")).json()["status"] == "invited"
    assert list(house.profiles.cards) == [str(account_id)]


@pytest.mark.parametrize(
    ("method", "path", "may"),
    [
        ("PUT", "/internal/accounts/{id}", {Service.DOCTOR, Service.ADMIN}),
        ("GET", "/internal/accounts/{id}", {Service.DOCTOR, Service.ADMIN, Service.NOTIFICATION}),
        ("GET", "/internal/accounts", {Service.ADMIN}),
        ("PATCH", "/internal/accounts/{id}", {Service.ADMIN}),
        ("GET", "/internal/ended-sessions", set(Service) - {Service.AUTH}),
    ],
)
async def test_a_neighbour_may_ask_what_it_needs(house: House, method: str, path: str, may: set[Service]) -> None:
    asked = path.format(id=uuid4())
    answers = {
        service: await house.ask(service, method, asked, None if method == "GET" else {}) for service in set(Service) - {Service.AUTH}
    }
    assert {service for service, answer in answers.items() if answer.status_code != 403} == may
    boss = await house.signed_in(**BOSS)
    assert (await house.http.request(method, asked, headers={"Authorization": f"Bearer {boss['access_token']}"})).status_code == 403
    assert (await house.http.request(method, asked)).status_code == 401


async def test_accounts_are_found_by_role_status_and_words(house: House) -> None:
    await house.register()
    await house.register(email="kim_o@example.com", full_name="Kim O'Hara 100%")
    await house.put(full_name="Samira Moss")

    async def found(query: str) -> list[str]:
        answer = await house.admin_asks("GET", f"/internal/accounts?{query}")
        assert answer.status_code == 200, answer.text
        return [item["email"] for item in answer.json()["items"]]

    assert await found("") == ["boss@clinic.example", "kim_o@example.com", "rae@clinic.example", "sam@example.com"]
    assert await found("role=patient") == ["kim_o@example.com", "sam@example.com"]
    assert await found("status=invited") == ["rae@clinic.example"]
    assert await found("q=SAM") == ["rae@clinic.example", "sam@example.com"]
    assert await found("q=%25") == ["kim_o@example.com"]
    assert await found("q=_") == ["kim_o@example.com"]
    assert await found("q=nobody") == []
    assert code(await house.admin_asks("GET", "/internal/accounts?status=pending")) == (422, "validation_failed")
    assert code(await house.admin_asks("GET", "/internal/accounts?sort=email")) == (422, "unknown_parameter")


async def test_pages_of_accounts_have_no_gaps(house: House) -> None:
    await asyncio.gather(*(house.put(email=f"p{number}@clinic.example") for number in range(4)))
    found, query = [], "limit=2"
    while query:
        page = (await house.admin_asks("GET", f"/internal/accounts?{query}")).json()
        found += [item["email"] for item in page["items"]]
        query = f"limit=2&after={page['next']}" if page["next"] else ""
    assert found == ["boss@clinic.example", *(f"p{number}@clinic.example" for number in range(4))]
    assert code(await house.admin_asks("GET", "/internal/accounts?after=x")) == (422, "bad_cursor")


async def test_an_amended_account_says_so(house: House) -> None:
    made = (await house.put(password=PASSWORD)).json()
    answer = await house.amend(made["id"], full_name="Rae Fox", email="rae.fox@clinic.example", expected_version=made["version"])
    assert (answer.status_code, answer.json()["full_name"], answer.json()["version"]) == (200, "Rae Fox", made["version"] + 1)
    assert (await house.admin_asks("GET", f"/internal/accounts/{made['id']}")).json() == answer.json()
    assert (await house.login("rae.fox@clinic.example")).status_code == 200
    same = await house.amend(made["id"], full_name="Rae Fox")
    assert same.json()["version"] == made["version"] + 1
    assert [event.version for event in await house.published(AccountChanged) if str(event.account_id) == made["id"]] == [2, 3]


async def test_what_cannot_be_amended_is_refused(house: House) -> None:
    made = (await house.put()).json()
    assert code(await house.amend(str(uuid4()), full_name="X")) == (404, "no_such_account")
    assert code(await house.amend(made["id"], full_name="X", expected_version=1)) == (412, "stale_version")
    assert code(await house.amend(made["id"], email=BOSS["email"])) == (409, "email_taken")
    for change in ({"role": None}, {"role": "service"}, {"status": "invited"}, {"password": OTHER}, {"email": "x"}):
        assert (await house.amend(made["id"], **change)).status_code == 422


async def test_disabling_ends_all_sessions_and_enabling_lets_in_again(house: House) -> None:
    one, other = await house.register(), await house.signed_in()
    assert (await house.amend(one["account"]["id"], status="disabled")).json()["status"] == "disabled"
    for session in (one, other):
        assert (await house.me(session["access_token"])).status_code == 401
        assert (await house.post("/auth/refresh", {"refresh_token": session["refresh_token"]})).status_code == 401
    assert len(await house.published(SessionEnded)) == 2
    assert (await house.amend(one["account"]["id"], status="active")).json()["status"] == "active"
    assert (await house.me(one["access_token"])).status_code == 401
    assert (await house.login()).status_code == 200


async def test_someone_without_a_password_is_invited_again_when_enabled(house: House) -> None:
    made = (await house.put()).json()
    await house.amend(made["id"], status="disabled")
    assert (await house.amend(made["id"], status="active")).json()["status"] == "invited"
    assert len(await house.published(AccountInvited)) == 2


async def test_a_new_role_ends_all_sessions_and_stands_in_the_next_token(house: House) -> None:
    session = await house.register()
    assert (await house.amend(session["account"]["id"], role="reception")).json()["role"] == "reception"
    assert (await house.me(session["access_token"])).status_code == 401
    assert (await house.signed_in())["account"]["role"] == "reception"


async def test_who_becomes_a_patient_has_a_profile_first(house: House) -> None:
    made = (await house.put(password=PASSWORD)).json()
    house.profiles.down = True
    assert (await house.amend(made["id"], role="patient")).status_code == 503
    assert (await house.signed_in("rae@clinic.example"))["account"]["role"] == "reception"
    house.profiles.down = False
    assert (await house.amend(made["id"], role="patient")).json()["role"] == "patient"
    assert house.profiles.cards[made["id"]]["full_name"] == "Rae Moss"


async def test_the_last_admin_stays(house: House) -> None:
    boss = (await house.signed_in(**BOSS))["account"]["id"]
    for change in ({"status": "disabled"}, {"role": "patient"}):
        assert code(await house.amend(boss, **change)) == (409, "last_admin")
    assert (await house.amend(boss, role="admin", status="active", full_name="The Boss")).status_code == 200
    invited = (await house.put(role="admin")).json()
    assert code(await house.amend(boss, status="disabled")) == (409, "last_admin")
    assert (await house.amend(invited["id"], role="reception")).status_code == 200


async def test_two_admins_cannot_end_each_other_at_once(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        boss = (await house.signed_in(**BOSS))["account"]["id"]
        other = (await house.put(role="admin", password=PASSWORD)).json()["id"]
        answers = await asyncio.gather(*(house.amend(one, status="disabled") for one in (boss, other)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_a_login_that_races_with_a_dismissal_is_not_left_behind(tmp_path: Path, sql_url: str) -> None:
    async with opened(tmp_path, database_url=sql_url) as house:
        account = (await house.register())["account"]["id"]
        logins = [house.login() for _ in range(6)]
        *answers, _ = await asyncio.gather(*logins, house.amend(account, role="reception"))
        for session in (answer.json() for answer in answers if answer.status_code == 200):
            me = await house.me(session["access_token"])
            assert me.status_code == 401 or session["account"]["role"] == "reception"


def patient_changed(patient_id: str, version: int) -> PatientChanged:
    return PatientChanged(id=new_id(), occurred_at=NOON, patient_id=patient_id, version=version)


def doctor_changed(doctor_id: str, name: str, version: int) -> DoctorChanged:
    rules = DoctorRules(id=doctor_id, full_name=name, time_zone="UTC", version=version)
    return DoctorChanged(id=new_id(), occurred_at=NOON, doctor_id=doctor_id, version=version, rules=rules)


async def name_of(house: House, account_id: str) -> str:
    return str((await house.admin_asks("GET", f"/internal/accounts/{account_id}")).json()["full_name"])


async def test_a_patients_name_follows_the_profile(house: House) -> None:
    account = (await house.register())["account"]["id"]
    house.profiles.cards[account] |= {"full_name": "Sam Fox", "version": 2}
    event = patient_changed(account, 2)
    await house.here.publish_event(event)
    assert await name_of(house, account) == "Sam Fox"
    house.profiles.cards[account] |= {"full_name": "Sam Crow"}
    for old in (event, patient_changed(account, 1), patient_changed(account, 2), patient_changed(str(uuid4()), 9)):
        await house.here.publish_event(old)
    assert await name_of(house, account) == "Sam Fox"


async def test_a_doctors_name_follows_the_rules(house: House) -> None:
    doctor = (await house.put(role="doctor", full_name="Ann Stone")).json()["id"]
    await house.here.publish_event(doctor_changed(doctor, "Dr Ann Stone", 3))
    await house.here.publish_event(doctor_changed(doctor, "Ann", 2))
    assert await name_of(house, doctor) == "Dr Ann Stone"


async def test_only_the_profile_of_ones_role_gives_the_name(house: House) -> None:
    account = (await house.put(role="doctor", full_name="Ann Stone")).json()["id"]
    await house.here.publish_event(doctor_changed(account, "Dr Ann Stone", 7))
    await house.amend(account, role="patient")
    await house.here.publish_event(doctor_changed(account, "Somebody", 8))
    assert await name_of(house, account) == "Dr Ann Stone"
    house.profiles.cards[account] |= {"full_name": "Ann Stone-Fox"}
    await house.here.publish_event(patient_changed(account, 2))
    assert await name_of(house, account) == "Ann Stone-Fox"
