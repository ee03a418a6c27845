"""Who reads and changes profiles is recorded, refusals included, and patients see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import insert, text

from patient_svc.domain.access import AccessAction, Relation
from patient_svc.repository import SqlPatientStore
from patient_svc.repository.accesses import accesses_of, old_accesses
from patient_svc.repository.record_cipher import RecordKeyring
from patient_svc.repository.tables import ACCESSES
from patient_svc.settings import parse_record_keys
from patient_svc.usecases.access_log import AccessRetention
from patient_svc.usecases.accesses import record_listing
from shared.contracts.events import AppointmentEvent, AuditRecorded
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Role, Service
from shared.kit.batch_deletion import BATCH_SIZE
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON, RECORD_KEYS, RunningService, run_service
from tests.service.patient.running_patient import DOCTOR, OTHER, PROFILE, RECEPTION, SAM, SAMS_TOKEN, create_profile, list_events
from tests.tokens import bearer, service_bearer

FORMER_DOCTOR, ADMIN_ID = UUID(int=21), UUID(int=22)
ADMIN, ADMIN_SERVICE = bearer(Role.ADMIN, ADMIN_ID), service_bearer("admin-service")
REQUEST_ID = "9f1c2b7e5a4d4c0f"
LOG = "/patients/me/access-log"
Line = tuple[str, str | None, str]


class FakeNeighbours:
    """doctor-service, which knows the name of DOCTOR, and appointment-service, which has a visit with `treating_doctor`.

    Both may be unreachable. `requests` has the hosts of the requests.
    """

    def __init__(self) -> None:
        self.is_reachable, self.treating_doctor, self.requests = True, "", list[str]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.host)
        if not self.is_reachable:
            raise httpx.ConnectError("unreachable", request=request)
        if request.url.host == "appointment-service":
            is_treating = request.url.params["doctor_id"] == self.treating_doctor
            return httpx.Response(200, json={"items": [{"id": str(new_id())}] if is_treating else [], "next": None})
        contact = {"id": str(DOCTOR), "full_name": "Mina Okafor", "time_zone": "UTC", "version": 1}
        return httpx.Response(200, json={"doctors": [contact], "services": []})


@pytest.fixture
def neighbours() -> FakeNeighbours:
    return FakeNeighbours()


@pytest.fixture
async def patients(tmp_path: Path, sql_url: str, neighbours: FakeNeighbours) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB, with the profile of Sam; what it reports to the audit trail is recorded."""
    async with run_service("patient_svc", tmp_path, neighbours, record_events=(AuditRecorded,), database_url=sql_url) as service:
        await create_profile(service, SAM, **PROFILE)
        yield service


async def read_profile(service: RunningService, headers: dict[str, str], patient_id: Any = SAM) -> httpx.Response:
    return await service.http.get(f"/patients/{patient_id}", headers=headers)


async def lines_of(service: RunningService) -> list[Line]:
    """Return action, relation and outcome of what was reported to the audit trail so far."""
    await service.run_until_idle()
    return [(line.action, line.relation, line.outcome) for line in service.published if isinstance(line, AuditRecorded)]


async def list_log(service: RunningService, headers: dict[str, str] = SAMS_TOKEN, path: str = LOG, **params: Any) -> dict[str, Any]:
    response = await service.http.get(path, params=params, headers=headers)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def treat(service: RunningService, doctor: UUID, status: str = "completed", days_ago: int = 0) -> None:
    """Publish a visit of Sam with a doctor."""
    people = {"appointment_id": new_id(), "service_id": UUID(int=8), "doctor_id": doctor, "patient_id": SAM}
    starts_at = NOON - timedelta(days=days_ago)
    times = {"occurred_at": starts_at, "starts_at": starts_at, "ends_at": starts_at, "time_zone": "UTC"}
    facts = {"id": new_id(), "version": 2, "sequence": 0, "status": status, "actor": Actor(id=SAM, role=Role.PATIENT)}
    await service.publish_event(AppointmentEvent.for_topic(f"appointment.{status}.v1", **people, **times, **facts))


@pytest.mark.parametrize(
    ("caller", "status", "line"),
    [
        ("self", 200, None),
        ("treating doctor", 200, ("profile.read", "treating_doctor", "done")),
        ("doctor of long ago", 200, ("profile.read", "treating_doctor", "done")),
        ("doctor of a cancelled visit", 404, ("profile.read", None, "refused")),
        ("other doctor", 404, ("profile.read", None, "refused")),
        ("other patient", 404, ("profile.read", None, "refused")),
        ("reception", 200, ("profile.read", "reception", "done")),
        ("admin", 200, ("profile.read", "admin", "done")),
        ("service", 403, ("profile.read", None, "refused")),
        ("nobody", 401, None),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
async def test_who_reads_a_profile_is_recorded(patients: RunningService, caller: str, status: int, line: Line | None) -> None:
    await treat(patients, DOCTOR, days_ago=1)
    await treat(patients, FORMER_DOCTOR, days_ago=4000)
    await treat(patients, OTHER, "cancelled", days_ago=1)
    headers = {
        "self": SAMS_TOKEN,
        "treating doctor": bearer(Role.DOCTOR, DOCTOR),
        "doctor of long ago": bearer(Role.DOCTOR, FORMER_DOCTOR),
        "doctor of a cancelled visit": bearer(Role.DOCTOR, OTHER),
        "other doctor": bearer(Role.DOCTOR, UUID(int=23)),
        "other patient": bearer(Role.PATIENT, OTHER),
        "reception": RECEPTION,
        "admin": ADMIN,
        "service": service_bearer("scheduling-service"),
        "nobody": {},
    }[caller]
    response = await read_profile(patients, headers)
    assert response.status_code == status, response.text
    assert ("phone" in response.text) == (status == 200)
    assert await lines_of(patients) == ([] if line is None else [line])
    assert len((await list_log(patients))["items"]) == (line is not None)


async def test_a_visit_whose_event_is_on_its_way_counts_and_without_an_answer_the_read_is_refused(
    patients: RunningService, neighbours: FakeNeighbours
) -> None:
    neighbours.treating_doctor = str(DOCTOR)
    assert (await read_profile(patients, bearer(Role.DOCTOR, DOCTOR))).status_code == 200
    neighbours.is_reachable = False
    response = await read_profile(patients, bearer(Role.DOCTOR, DOCTOR))
    assert (response.status_code, response.json()["code"], "retry-after" in response.headers) == (503, "unavailable", True)
    assert await lines_of(patients) == [("profile.read", "treating_doctor", "done"), ("profile.read", None, "refused")]


async def test_an_unknown_patient_has_no_line_and_the_same_answer_as_one_who_may_not_be_read(patients: RunningService) -> None:
    unknown = await read_profile(patients, bearer(Role.DOCTOR), UUID(int=77))
    refused = await read_profile(patients, bearer(Role.DOCTOR))
    assert (unknown.status_code, unknown.json()["code"]) == (refused.status_code, refused.json()["code"]) == (404, "no_such_patient")
    assert await lines_of(patients) == [("profile.read", None, "refused")]


async def test_a_request_id_that_is_free_text_is_replaced_in_the_audit_trail(patients: RunningService) -> None:
    await read_profile(patients, ADMIN | {"X-Request-ID": "Mina.Park_hiv-positive"})
    (line,) = await list_events(patients, AuditRecorded)
    assert UUID(line.request_id or "")


async def test_a_line_names_actor_patient_and_request_and_no_text(patients: RunningService) -> None:
    await read_profile(patients, ADMIN | {"X-Request-ID": REQUEST_ID})
    await patients.run_until_idle()
    (line,) = patients.published
    (shown,) = (await list_log(patients))["items"]
    assert line == AuditRecorded(
        id=UUID(shown["id"]),
        occurred_at=NOON,
        subject_id=SAM,
        actor_id=ADMIN_ID,
        actor_role=Role.ADMIN,
        action="profile.read",
        relation="admin",
        outcome="done",
        request_id=REQUEST_ID,
        source=Service.PATIENT,
    )


async def test_a_walk_in_is_created_with_a_line_and_a_repeated_request_reads_the_profile(patients: RunningService) -> None:
    headers = RECEPTION | {"Idempotency-Key": "walk-in-1"}
    for _ in range(2):
        assert (await patients.http.post("/patients", json={"full_name": "Jo Roe"}, headers=headers)).status_code == 201
    assert await lines_of(patients) == [("profile.create", "reception", "done"), ("profile.read", "reception", "done")]


async def test_the_profile_of_an_account_is_created_by_its_owner_without_a_line(patients: RunningService) -> None:
    await create_profile(patients, OTHER)
    await patients.http.patch("/patients/me", json={"phone": None}, headers=SAMS_TOKEN | {"If-Match": '"1"'})
    assert await lines_of(patients) == []


async def test_an_admin_who_renames_a_patient_is_named(patients: RunningService) -> None:
    by = {"id": str(ADMIN_ID), "role": "admin"}
    for body in ({"full_name": "Sam L.", "by": by}, {"full_name": "Sam L.", "by": by}, {"full_name": "Samuel Lee"}):
        assert (await patients.http.patch(f"/internal/patients/{SAM}", json=body, headers=ADMIN_SERVICE)).status_code == 200
    assert await lines_of(patients) == [("profile.change", "admin", "done"), ("profile.change", "service", "done")]
    newest, oldest = (await list_log(patients))["items"]
    assert (oldest["actor"]["id"], newest["actor"]["role"]) == (str(ADMIN_ID), "service")


@pytest.mark.parametrize("table", ["accesses", "outbox"])
async def test_what_cannot_be_recorded_is_neither_read_nor_done(patients: RunningService, sql_url: str, table: str) -> None:
    await patients.run_until_idle()
    async with Database(sql_url) as database, database.write() as connection:
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO moved_away"))
    body = {"full_name": "Sam L.", "by": {"id": str(ADMIN_ID), "role": "admin"}}
    for response in (
        await read_profile(patients, ADMIN),
        await read_profile(patients, bearer(Role.DOCTOR)),
        await patients.http.post("/patients", json={"full_name": "Jo Roe"}, headers=RECEPTION),
        await patients.http.patch(f"/internal/patients/{SAM}", json=body, headers=ADMIN_SERVICE),
    ):
        assert response.status_code == 500, response.text
        assert "Lee" not in response.text
    async with Database(sql_url) as database, database.write() as connection:
        await connection.execute(text(f"ALTER TABLE moved_away RENAME TO {table}"))
        assert list((await connection.execute(text("SELECT full_name FROM patients"))).scalars()) == ["Sam Lee"]
    assert (await read_profile(patients, ADMIN)).status_code == 200
    assert await lines_of(patients) == [("profile.read", "admin", "done")]


async def test_the_patient_sees_doctors_by_name_and_others_by_id_newest_first(patients: RunningService, neighbours: FakeNeighbours) -> None:
    await treat(patients, DOCTOR)
    for number, headers in enumerate((bearer(Role.DOCTOR, DOCTOR), bearer(Role.DOCTOR, OTHER), ADMIN)):
        patients.clock.set(NOON + timedelta(seconds=number))
        await read_profile(patients, headers)
    log = await list_log(patients)
    shown = [(item["at"], item["actor"]["role"], item["actor"]["full_name"], item["relation"]) for item in log["items"]]
    assert shown == [
        ("2026-03-02T12:00:02Z", "admin", None, "admin"),
        ("2026-03-02T12:00:01Z", "doctor", None, None),
        ("2026-03-02T12:00:00Z", "doctor", "Mina Okafor", "treating_doctor"),
    ]
    assert log["items"][1] == {
        "id": log["items"][1]["id"],
        "at": "2026-03-02T12:00:01Z",
        "actor": {"id": str(OTHER), "role": "doctor", "full_name": None},
        "action": "profile.read",
        "relation": None,
        "outcome": "refused",
    }
    assert neighbours.requests.count("doctor-service") == 1, "one request for all names"


async def test_the_log_is_shown_without_names_while_doctor_service_does_not_answer(
    patients: RunningService, neighbours: FakeNeighbours
) -> None:
    neighbours.is_reachable = False
    await read_profile(patients, bearer(Role.DOCTOR, DOCTOR))
    (line,) = (await list_log(patients))["items"]
    assert line["actor"] == {"id": str(DOCTOR), "role": "doctor", "full_name": None}


async def test_pages_neither_repeat_nor_skip_a_line_while_lines_are_added(patients: RunningService) -> None:
    for _ in range(5):
        await read_profile(patients, ADMIN)
    expected, seen, after = [item["id"] for item in (await list_log(patients))["items"]], list[str](), dict[str, Any]()
    while True:
        page = await list_log(patients, limit=2, **after)
        seen += [item["id"] for item in page["items"]]
        patients.clock.advance(timedelta(seconds=1))
        await read_profile(patients, ADMIN)
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert (len(seen), seen) == (5, expected)
    bad = await patients.http.get(LOG, params={"after": "bmV4dA"}, headers=SAMS_TOKEN)
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


async def test_what_a_newer_release_has_recorded_is_shown_too(patients: RunningService, sql_url: str) -> None:
    newer = {"action": "genome.read", "relation": "geneticist", "outcome": "done", "actor_id": OTHER, "actor_role": "doctor"}
    async with Database(sql_url) as database, database.write() as connection:
        await connection.execute(insert(ACCESSES), newer | {"id": new_id(), "at": NOON, "patient_id": SAM})
    (line,) = (await list_log(patients))["items"]
    assert (line["action"], line["relation"]) == ("genome.read", "geneticist")


async def test_patients_see_their_own_log_only(patients: RunningService) -> None:
    await create_profile(patients, OTHER)
    await read_profile(patients, ADMIN)
    assert (await list_log(patients, bearer(Role.PATIENT, OTHER)))["items"] == []
    for role in (Role.DOCTOR, Role.RECEPTION, Role.ADMIN):
        assert (await patients.http.get(LOG, headers=bearer(role))).status_code == 403
    assert (await patients.http.get(LOG)).status_code == 401


async def test_guardians_see_the_log_of_their_dependants_until_they_no_longer_act_for_them(patients: RunningService) -> None:
    body = {"full_name": "Mia Lee", "born_on": "2019-05-01"}
    mia = (await patients.http.post("/patients/me/dependants", json=body, headers=SAMS_TOKEN)).json()["id"]
    await read_profile(patients, ADMIN, mia)
    path = f"/patients/me/dependants/{mia}/access-log"
    assert "profile.read" in {item["action"] for item in (await list_log(patients, path=path))["items"]}
    assert (await patients.http.get(path, headers=bearer(Role.PATIENT, OTHER))).status_code == 404
    await patients.http.delete(f"/patients/me/dependants/{mia}", headers=SAMS_TOKEN)
    assert (await patients.http.get(path, headers=SAMS_TOKEN)).status_code == 404
    assert await lines_of(patients) == [
        ("profile.create", "guardian", "done"),
        ("profile.read", "admin", "done"),
        ("access_log.read", "guardian", "done"),
        ("access_log.read", None, "refused"),
        ("profile.change", "guardian", "done"),
        ("access_log.read", None, "refused"),
    ]


async def test_a_list_records_each_patient_with_one_statement_per_table(sql_url: str) -> None:
    migrate("patient_svc", sql_url)
    async with Database(sql_url) as database:
        statements = list[str]()

        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        sqlalchemy_event.listen(database._writer.sync_engine, "before_cursor_execute", count)
        store, listed = open_store(database), [UUID(int=number) for number in range(100)]
        async with store.begin() as tx:
            await record_listing(tx, Caller(ADMIN_ID, Role.ADMIN), listed, AccessAction.PROFILE_READ, Relation.ADMIN, now=NOON)
            await record_listing(tx, Caller(ADMIN_ID, Role.ADMIN), [], AccessAction.PROFILE_READ, Relation.ADMIN, now=NOON)
        inserts = [statement.split()[2] for statement in statements if statement.startswith("INSERT")]
        assert inserts == ["accesses", "outbox"]
        async with database.read() as connection:
            stored = (await connection.execute(text("SELECT COUNT(DISTINCT patient_id), COUNT(DISTINCT id) FROM accesses"))).one()
            published = await connection.scalar(text("SELECT COUNT(*) FROM outbox JOIN accesses ON accesses.id = outbox.event_id"))
        assert (*stored, published) == (100, 100, 100)


def open_store(database: Database) -> SqlPatientStore:
    return SqlPatientStore(database, lambda: NOON, lambda: None, RecordKeyring(parse_record_keys(RECORD_KEYS)))


async def fill(database: Database, count: int) -> None:
    """Insert lines, one a second, about five patients."""
    line = {"actor_id": ADMIN_ID, "actor_role": "admin", "action": "profile.read", "relation": "admin", "outcome": "done"}
    rows = [line | {"id": new_id(), "at": NOON + timedelta(seconds=number), "patient_id": UUID(int=number % 5)} for number in range(count)]
    async with database.write() as connection:
        await connection.execute(insert(ACCESSES), rows)
    async with database.write() as connection:
        await connection.execute(text("ANALYZE" if database.is_sqlite else "ANALYZE TABLE accesses"))


async def explain(database: Database, query: Any) -> str:
    """Return how the database executes a query."""
    statement = query.compile(compile_kwargs={"literal_binds": True}, dialect=database._reader.dialect)
    async with database.read() as connection:
        keyword = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return str((await connection.execute(text(f"{keyword} {statement}".replace(":", r"\:")))).all())


async def test_pages_and_old_lines_are_found_by_an_index(sql_url: str) -> None:
    migrate("patient_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, 1500)
        cursor = ((NOON + timedelta(seconds=900)).isoformat(), str(UUID(int=900)))
        for query, index in (
            (accesses_of([UUID(int=3)], 26, None), "accesses_by_patient"),
            (accesses_of([UUID(int=3)], 26, cursor), "accesses_by_patient"),
            (old_accesses(NOON + timedelta(seconds=30), 10), "accesses_by_time"),
        ):
            plan = await explain(database, query)
            assert index in plan, plan
            assert "filesort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan


async def test_lines_of_former_ids_are_read_in_the_order_of_the_index_and_at_most_a_page_of_each(sql_url: str) -> None:
    migrate("patient_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, 1500)
        ids = [UUID(int=1), UUID(int=2), UUID(int=3)]
        cursor = ((NOON + timedelta(seconds=900)).isoformat(), str(UUID(int=900)))
        for after in (None, cursor):
            query = accesses_of(ids, 26, after)
            plan = await explain(database, query)
            assert plan.count("accesses_by_patient") >= 3, plan
            assert plan.count("filesort") == (0 if database.is_sqlite else 1), ("only the pages are sorted", plan)
            async with database.read() as connection:
                rows = (await connection.execute(query)).all()
            expected = [number for number in range(1499, -1, -1) if number % 5 in (1, 2, 3) and (after is None or number < 901)]
            assert [row.at for row in rows][1:] == [NOON + timedelta(seconds=number) for number in expected[:27]][1:26]


async def test_old_lines_are_deleted_in_batches(sql_url: str) -> None:
    migrate("patient_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, BATCH_SIZE + 20)
        last = NOON + timedelta(days=3650, seconds=BATCH_SIZE + 10)
        assert await AccessRetention(open_store(database), lambda: 3650, lambda: last).delete_old() == BATCH_SIZE + 10
        async with database.read() as connection:
            assert await connection.scalar(text("SELECT COUNT(*) FROM accesses")) == 10


async def test_the_service_keeps_lines_for_ten_years(patients: RunningService) -> None:
    await read_profile(patients, ADMIN)
    for days, left in ((3649, 1), (2, 0)):
        patients.clock.advance(timedelta(days=days))
        await patients.run_until_idle()
        assert len((await list_log(patients, bearer(Role.PATIENT, SAM)))["items"]) == left
