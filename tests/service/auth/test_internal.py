"""Routes for other services, and the names that are copied from their events."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.events import AccountChanged, AccountInvited, DoctorChanged, PatientChanged, SessionEnded
from shared.contracts.http import DoctorRules
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from tests.running import NOON, problem_response
from tests.service.auth.running_auth import FIRST_ADMIN, OTHER_PASSWORD, PASSWORD, RunningAuth, run_auth_service, status_and_code


async def test_repeating_the_creation_of_an_account_changes_nothing(auth: RunningAuth) -> None:
    account_id = uuid4()
    first, repeated = await auth.create_account(account_id), await auth.create_account(account_id, full_name="Someone Else")
    assert (first.status_code, repeated.status_code) == (200, 200)
    assert first.json() == repeated.json()
    assert first.headers["etag"] == repeated.headers["etag"] == f'"{first.json()["version"]}"'
    account = first.json()
    assert (account["id"], account["email"], account["role"], account["status"]) == (
        str(account_id),
        "rae@clinic.example",
        "reception",
        "invited",
    )
    assert len(await auth.list_events(AccountInvited)) == 1


async def test_creating_one_account_several_times_at_once_creates_it_once(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        account_id = uuid4()
        responses = await asyncio.gather(*(auth.create_account(account_id) for _ in range(6)))
        assert {response.status_code for response in responses} == {200}
        assert len(await auth.list_events(AccountInvited)) == 1


async def test_an_account_that_is_created_with_a_password_is_active(auth: RunningAuth) -> None:
    assert (await auth.create_account(password=PASSWORD)).json()["status"] == "active"
    assert (await auth.login("rae@clinic.example")).status_code == 200
    assert await auth.list_events(AccountInvited) == []


async def test_an_invalid_account_is_refused(auth: RunningAuth) -> None:
    await auth.register()
    assert status_and_code(await auth.create_account(email="SAM@example.com")) == (409, "email_taken")
    assert status_and_code(await auth.create_account(password="passwordpassword")) == (422, "password_too_weak")
    for role in ("service", "system", "king"):
        assert status_and_code(await auth.create_account(role=role)) == (422, "validation_failed")


async def test_a_patients_account_counts_only_with_a_profile(auth: RunningAuth) -> None:
    account_id = uuid4()
    auth.patients.is_down = True
    assert (await auth.create_account(account_id, role="patient")).status_code == 503
    auth.patients.is_down = False
    assert (await auth.create_account(account_id, role="patient")).json()["status"] == "invited"
    assert list(auth.patients.profiles) == [str(account_id)]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/internal/accounts/{id}", {Service.DOCTOR, Service.ADMIN}),
        ("GET", "/internal/accounts/{id}", {Service.DOCTOR, Service.ADMIN, Service.NOTIFICATION}),
        ("GET", "/internal/accounts", {Service.ADMIN, Service.NOTIFICATION}),
        ("PATCH", "/internal/accounts/{id}", {Service.ADMIN}),
        ("PUT", "/internal/audit-heads/2026-03-01", {Service.ADMIN}),
        ("GET", "/internal/ended-sessions", set(Service) - {Service.AUTH}),
    ],
)
async def test_each_internal_route_is_open_to_its_callers(auth: RunningAuth, method: str, path: str, allowed: set[Service]) -> None:
    url = path.format(id=uuid4())
    responses = {
        service: await auth.call_as(service, method, url, None if method == "GET" else {}) for service in set(Service) - {Service.AUTH}
    }
    assert {service for service, response in responses.items() if response.status_code != 403} == allowed
    admin = await auth.sign_in(**FIRST_ADMIN)
    assert (await auth.http.request(method, url, headers={"Authorization": f"Bearer {admin['access_token']}"})).status_code == 403
    assert (await auth.http.request(method, url)).status_code == 401


async def test_accounts_can_be_filtered_by_role_status_and_text(auth: RunningAuth) -> None:
    await auth.register()
    await auth.register(email="kim_o@example.com", full_name="Kim O'Hara 100%")
    await auth.create_account(full_name="Samira Moss")

    async def list_emails(query: str) -> list[str]:
        response = await auth.call_as_admin("GET", f"/internal/accounts?{query}")
        assert response.status_code == 200, response.text
        return [item["email"] for item in response.json()["items"]]

    assert await list_emails("") == ["boss@clinic.example", "kim_o@example.com", "rae@clinic.example", "sam@example.com"]
    assert await list_emails("role=patient") == ["kim_o@example.com", "sam@example.com"]
    assert await list_emails("status=invited") == ["rae@clinic.example"]
    assert await list_emails("q=SAM") == ["rae@clinic.example", "sam@example.com"]
    assert await list_emails("q=%25") == ["kim_o@example.com"]
    assert await list_emails("q=_") == ["kim_o@example.com"]
    assert await list_emails("q=nobody") == []
    assert status_and_code(await auth.call_as_admin("GET", "/internal/accounts?status=pending")) == (422, "validation_failed")
    assert status_and_code(await auth.call_as_admin("GET", "/internal/accounts?sort=email")) == (422, "unknown_parameter")


async def test_pages_of_accounts_have_no_gaps(auth: RunningAuth) -> None:
    await asyncio.gather(*(auth.create_account(email=f"p{number}@clinic.example") for number in range(4)))
    emails, query = [], "limit=2"
    while query:
        page = (await auth.call_as_admin("GET", f"/internal/accounts?{query}")).json()
        emails += [item["email"] for item in page["items"]]
        query = f"limit=2&after={page['next']}" if page["next"] else ""
    assert emails == ["boss@clinic.example", *(f"p{number}@clinic.example" for number in range(4))]
    assert status_and_code(await auth.call_as_admin("GET", "/internal/accounts?after=x")) == (422, "bad_cursor")


async def test_a_changed_account_is_announced(auth: RunningAuth) -> None:
    account = (await auth.create_account(password=PASSWORD)).json()
    response = await auth.change_account(
        account["id"], full_name="Rae Fox", email="rae.fox@clinic.example", expected_version=account["version"]
    )
    assert (response.status_code, response.json()["full_name"], response.json()["version"]) == (200, "Rae Fox", account["version"] + 1)
    assert (await auth.call_as_admin("GET", f"/internal/accounts/{account['id']}")).json() == response.json() | {"time_zone": None}
    assert (await auth.login("rae.fox@clinic.example")).status_code == 200
    unchanged = await auth.change_account(account["id"], full_name="Rae Fox")
    assert unchanged.json()["version"] == account["version"] + 1
    assert [event.version for event in await auth.list_events(AccountChanged) if str(event.account_id) == account["id"]] == [2, 3]


async def test_an_invalid_change_is_refused(auth: RunningAuth) -> None:
    account = (await auth.create_account()).json()
    assert status_and_code(await auth.change_account(str(uuid4()), full_name="X")) == (404, "no_such_account")
    assert status_and_code(await auth.change_account(account["id"], full_name="X", expected_version=1)) == (412, "stale_version")
    assert status_and_code(await auth.change_account(account["id"], email=FIRST_ADMIN["email"])) == (409, "email_taken")
    for change in ({"role": None}, {"role": "service"}, {"status": "invited"}, {"password": OTHER_PASSWORD}, {"email": "x"}):
        assert (await auth.change_account(account["id"], **change)).status_code == 422


async def test_disabling_ends_all_sessions_and_enabling_allows_new_ones(auth: RunningAuth) -> None:
    first, second = await auth.register(), await auth.sign_in()
    assert (await auth.change_account(first["account"]["id"], status="disabled")).json()["status"] == "disabled"
    for session in (first, second):
        assert (await auth.get_me(session["access_token"])).status_code == 401
        assert (await auth.post("/auth/refresh", {"refresh_token": session["refresh_token"]})).status_code == 401
    assert len(await auth.list_events(SessionEnded)) == 2
    assert (await auth.change_account(first["account"]["id"], status="active")).json()["status"] == "active"
    assert (await auth.get_me(first["access_token"])).status_code == 401
    assert (await auth.login()).status_code == 200


async def test_an_account_without_a_password_is_invited_again_when_it_is_enabled(auth: RunningAuth) -> None:
    account = (await auth.create_account()).json()
    await auth.change_account(account["id"], status="disabled")
    assert (await auth.change_account(account["id"], status="active")).json()["status"] == "invited"
    assert len(await auth.list_events(AccountInvited)) == 2


async def test_a_new_role_ends_all_sessions_and_counts_from_the_next_login(auth: RunningAuth) -> None:
    session = await auth.register()
    assert (await auth.change_account(session["account"]["id"], role="reception")).json()["role"] == "reception"
    assert (await auth.get_me(session["access_token"])).status_code == 401
    assert (await auth.sign_in())["account"]["role"] == "reception"


async def test_an_account_that_becomes_a_patients_gets_a_profile(auth: RunningAuth) -> None:
    account = (await auth.create_account(password=PASSWORD)).json()
    assert (await auth.change_account(account["id"], role="patient")).json()["role"] == "patient"
    assert auth.patients.profiles[account["id"]]["full_name"] == "Rae Moss"


async def test_the_profile_of_a_new_patient_is_created_by_a_repetition_or_by_the_job(auth: RunningAuth) -> None:
    for creates, email in ((repeat_change, "one@clinic.example"), (run_job, "two@clinic.example")):
        account, change = (await auth.create_account(email=email)).json(), {"role": "patient", "expected_version": 2}
        change["change_id"] = str(uuid4())
        auth.patients.is_down = True
        assert (await auth.change_account(account["id"], **change)).status_code == 503
        auth.patients.is_down = False
        await creates(auth, account["id"], change)
        assert account["id"] in auth.patients.profiles
        announced = [event for event in await auth.list_events(AccountChanged) if str(event.account_id) == account["id"]]
        assert [(event.role, event.version) for event in announced][-2:] == [("patient", 3), ("patient", 3)], "again, for the profile"


async def repeat_change(auth: RunningAuth, account_id: str, change: dict[str, Any]) -> None:
    assert (await auth.change_account(account_id, **change)).status_code == 200


async def run_job(auth: RunningAuth, _account_id: str, _change: dict[str, Any]) -> None:
    auth.clock.advance(timedelta(seconds=61))
    await auth.service.run_until_idle()


@pytest.mark.parametrize("change", [{"role": "patient"}, {"role": "patient", "email": "new@clinic.example"}])
async def test_an_account_whose_profile_is_refused_stays_what_it_was(auth: RunningAuth, change: dict[str, str]) -> None:
    account = (await auth.create_account(password=PASSWORD)).json()
    auth.patients.refusal = problem_response(422, "no")
    assert status_and_code(await auth.change_account(account["id"], **change)) == (422, "no")
    auth.patients.refusal = None
    await run_job(auth, account["id"], {})
    assert auth.patients.profiles == {}
    after = (await auth.call_as_admin("GET", f"/internal/accounts/{account['id']}")).json()
    assert (after["role"], after["email"], after["status"]) == (account["role"], account["email"], account["status"])


@pytest.mark.parametrize("change", [{"role": "patient", "email": FIRST_ADMIN["email"]}, {"role": "patient", "expected_version": 7}])
async def test_a_refused_change_of_role_creates_no_profile(auth: RunningAuth, change: dict[str, Any]) -> None:
    account = (await auth.create_account()).json()
    assert (await auth.change_account(account["id"], **change)).status_code in (409, 412)
    admin = (await auth.sign_in(**FIRST_ADMIN))["account"]["id"]
    assert status_and_code(await auth.change_account(admin, role="patient")) == (409, "last_admin")
    await run_job(auth, account["id"], {})
    assert auth.patients.profiles == {}


async def test_a_change_that_is_sent_again_is_made_once(auth: RunningAuth) -> None:
    account = (await auth.create_account()).json()
    change = {"full_name": "Rae Stone", "expected_version": account["version"], "change_id": str(uuid4())}
    first, again = [(await auth.change_account(account["id"], **change)) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    await auth.change_account(account["id"], full_name="Rae Moss")
    assert status_and_code(await auth.change_account(account["id"], **change)) == (412, "stale_version"), "not the last change any more"


async def test_the_last_active_admin_cannot_be_disabled_or_demoted(auth: RunningAuth) -> None:
    admin = (await auth.sign_in(**FIRST_ADMIN))["account"]["id"]
    for change in ({"status": "disabled"}, {"role": "patient"}):
        assert status_and_code(await auth.change_account(admin, **change)) == (409, "last_admin")
    assert (await auth.change_account(admin, role="admin", status="active", full_name="The Boss")).status_code == 200
    invited = (await auth.create_account(role="admin")).json()
    assert status_and_code(await auth.change_account(admin, status="disabled")) == (409, "last_admin")
    assert (await auth.change_account(invited["id"], role="reception")).status_code == 200


async def test_two_admins_cannot_disable_each_other_at_once(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        admin = (await auth.sign_in(**FIRST_ADMIN))["account"]["id"]
        other_admin = (await auth.create_account(role="admin", password=PASSWORD)).json()["id"]
        responses = await asyncio.gather(*(auth.change_account(admin_id, status="disabled") for admin_id in (admin, other_admin)))
        assert sorted(response.status_code for response in responses) == [200, 409]


async def test_a_login_at_the_same_time_as_a_change_of_role_gets_no_session_of_the_old_role(tmp_path: Path, sql_url: str) -> None:
    async with run_auth_service(tmp_path, database_url=sql_url) as auth:
        account = (await auth.register())["account"]["id"]
        logins = [auth.login() for _ in range(6)]
        *responses, _ = await asyncio.gather(*logins, auth.change_account(account, role="reception"))
        for session in (response.json() for response in responses if response.status_code == 200):
            me = await auth.get_me(session["access_token"])
            assert me.status_code == 401 or session["account"]["role"] == "reception"


def patient_changed(patient_id: str, version: int) -> PatientChanged:
    return PatientChanged(id=new_id(), occurred_at=NOON, patient_id=patient_id, version=version)


def doctor_changed(doctor_id: str, name: str, version: int) -> DoctorChanged:
    rules = DoctorRules(id=doctor_id, full_name=name, time_zone="UTC", version=version)
    return DoctorChanged(id=new_id(), occurred_at=NOON, doctor_id=doctor_id, version=version, rules=rules)


async def get_name(auth: RunningAuth, account_id: str) -> str:
    return str((await auth.call_as_admin("GET", f"/internal/accounts/{account_id}")).json()["full_name"])


async def test_a_patients_name_is_copied_from_the_profile(auth: RunningAuth) -> None:
    account = (await auth.register())["account"]["id"]
    auth.patients.profiles[account] |= {"full_name": "Sam Fox", "version": 2}
    event = patient_changed(account, 2)
    await auth.service.publish_event(event)
    assert await get_name(auth, account) == "Sam Fox"
    auth.patients.profiles[account] |= {"full_name": "Sam Crow"}
    for old in (event, patient_changed(account, 1), patient_changed(account, 2), patient_changed(str(uuid4()), 9)):
        await auth.service.publish_event(old)
    assert await get_name(auth, account) == "Sam Fox"


@pytest.mark.parametrize("registered", ["de-CH", None])
async def test_a_patients_language_is_that_of_the_profile(auth: RunningAuth, registered: str | None) -> None:
    signed_in = await auth.register(**({"locale": registered} if registered else {}))
    account, token = signed_in["account"]["id"], signed_in["access_token"]
    shown = []
    for version, own_locale in enumerate(("fr", None, "en", "es"), 2):
        auth.patients.profiles[account] |= {"own_locale": own_locale, "locale": own_locale or "en", "version": version}
        await auth.service.publish_event(patient_changed(account, version))
        me = (await auth.get_me(token)).json()
        contacts = await auth.call_as(Service.NOTIFICATION, "POST", "/internal/contacts", {"ids": [account]})
        assert contacts.json()["items"][0]["locale"] == me["locale"]
        shown.append((me["locale"], me["version"]))
    first = signed_in["account"]["version"]
    assert [locale for locale, _version in shown] == ["fr", "en", "en", "es"], "without a choice, the clinic's and not the registered one"
    assert [version - first for _locale, version in shown] == [1, 2, 3, 4]


async def test_a_profile_from_an_older_patient_service_leaves_the_language_as_it_is(auth: RunningAuth) -> None:
    signed_in = await auth.register(locale="de-CH")
    await auth.service.publish_event(patient_changed(signed_in["account"]["id"], 2))
    assert (await auth.get_me(signed_in["access_token"])).json()["locale"] == "de-CH"


async def test_a_doctors_name_is_copied_from_the_event(auth: RunningAuth) -> None:
    doctor = (await auth.create_account(role="doctor", full_name="Ann Stone")).json()["id"]
    await auth.service.publish_event(doctor_changed(doctor, "Dr Ann Stone", 3))
    await auth.service.publish_event(doctor_changed(doctor, "Ann", 2))
    assert await get_name(auth, doctor) == "Dr Ann Stone"


async def test_the_name_is_copied_only_from_the_profile_of_the_accounts_role(auth: RunningAuth) -> None:
    account = (await auth.create_account(role="doctor", full_name="Ann Stone")).json()["id"]
    await auth.service.publish_event(doctor_changed(account, "Dr Ann Stone", 7))
    await auth.change_account(account, role="patient")
    await auth.service.publish_event(doctor_changed(account, "Somebody", 8))
    assert await get_name(auth, account) == "Dr Ann Stone"
    auth.patients.profiles[account] |= {"full_name": "Ann Stone-Fox"}
    await auth.service.publish_event(patient_changed(account, 2))
    assert await get_name(auth, account) == "Ann Stone-Fox"
