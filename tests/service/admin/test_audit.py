"""The audit trail: what is recorded, who reads it, its filters and pages, and that no line is changed, and none deleted too early."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text

import admin_svc
from admin_svc.domain.audit import MAX_FORMER_IDS, AuditFilter, AuditLine
from admin_svc.domain.audit_chain import FIRST_HASH, line_hash
from admin_svc.repository import SqlAdminStore
from admin_svc.repository.audit import matching_lines
from admin_svc.repository.old_audit_lines import SqlOldAuditLines, oldest_day, oldest_positions
from admin_svc.repository.tables import AUDIT_HEADS, AUDIT_LINES, FORMER_IDS
from admin_svc.usecases.audit import AuditRetention
from shared.contracts.events import PatientMerged
from shared.contracts.identity import Role
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service
from tests.service.admin.audit_events import DOCTOR, SAM, an_audit_event, sign_heads
from tests.tokens import bearer, service_bearer

ADMIN = bearer(Role.ADMIN)
NURSE, KIM, LEE = UUID(int=2), UUID(int=4), UUID(int=5)


@pytest.fixture
async def admin(tmp_path: Path, sql_url: str) -> AsyncIterator[RunningService]:
    """The service on SQLite and on MariaDB."""
    async with run_service("admin_svc", tmp_path, sign_heads, database_url=sql_url, retention_database_url=sql_url) as service:
        yield service


async def list_lines(service: RunningService, **params: Any) -> list[dict[str, Any]]:
    """Return the lines on one page, as an admin lists them."""
    response = await service.http.get("/admin/audit", params=params, headers=ADMIN)
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


async def test_a_line_shows_who_did_what_to_whom_and_why_they_may(admin: RunningService) -> None:
    event = an_audit_event(before={"status": "booked"}, after={"status": "cancelled"})
    await admin.publish_event(event)
    response = await admin.http.get("/admin/audit", headers=ADMIN)
    line = replace(AuditLine.from_event(event, NOON), day=NOON.date(), position=1)
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "next": None,
        "items": [
            {
                "id": str(event.id),
                "at": "2026-03-02T12:00:00Z",
                "actor": str(DOCTOR),
                "actor_role": "doctor",
                "action": "medical_history.read",
                "subject": str(SAM),
                "relation": "treating_doctor",
                "outcome": "done",
                "row_id": str(UUID(int=9)),
                "source": "patient-service",
                "request_id": "req-1",
                "before": {"status": "booked"},
                "after": {"status": "cancelled"},
                "recorded_at": "2026-03-02T12:00:00Z",
                "day": "2026-03-02",
                "position": 1,
                "hash": line_hash(line, FIRST_HASH),
            }
        ],
    }


async def test_a_refused_read_has_no_relation(admin: RunningService) -> None:
    await admin.publish_event(an_audit_event(outcome="refused", relation=None, row_id=None, request_id=None))
    (line,) = await list_lines(admin)
    assert (line["outcome"], line["relation"], line["row_id"], line["request_id"]) == ("refused", None, None, None)


async def test_only_admins_read_the_audit_trail(admin: RunningService) -> None:
    for role in (Role.PATIENT, Role.DOCTOR, Role.RECEPTION):
        assert (await admin.http.get("/admin/audit", headers=bearer(role))).status_code == 403
    assert (await admin.http.get("/admin/audit", headers=service_bearer("patient-service"))).status_code == 403
    assert (await admin.http.get("/admin/audit")).status_code == 401


async def test_filters_of_different_names_must_all_match_and_the_range_is_half_open(admin: RunningService) -> None:
    reads = an_audit_event(), an_audit_event(actor_id=NURSE), an_audit_event(subject_id=KIM)
    later = an_audit_event(occurred_at=NOON + timedelta(hours=1), action="profile.read")
    for event in (*reads, later):
        await admin.publish_event(event)
    for params, expected in (
        ({"actor": NURSE}, [reads[1]]),
        ({"subject": KIM}, [reads[2]]),
        ({"action": "profile.read"}, [later]),
        ({"actor": DOCTOR, "subject": SAM}, [later, reads[0]]),
        ({"actor": DOCTOR, "action": "medical_history.read"}, [reads[2], reads[0]]),
        ({"actor": NURSE, "action": "profile.read"}, []),
        ({"from": "2026-03-02T13:00:00Z"}, [later]),
        ({"to": "2026-03-02T13:00:00Z", "subject": SAM}, [reads[1], reads[0]]),
        ({"from": "2026-03-02T12:00:00Z", "to": "2026-03-02T12:00:01Z", "actor": NURSE}, [reads[1]]),
    ):
        assert [line["id"] for line in await list_lines(admin, **params)] == [str(event.id) for event in expected], params


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"from": "2026-03-02T13:00:00Z", "to": "2026-03-02T13:00:00Z"}, "range_reversed"),
        ({"from": "2026-03-02T13:00:00"}, "offset_required"),
        ({"actor": "sam"}, "validation_failed"),
        ({"action": "read everything"}, "validation_failed"),
        ({"action": "a" * 24 + "." + "b" * 24}, "validation_failed"),
        ({"after": "a" * 1201}, "validation_failed"),
        ({"after": "bmV4dA"}, "bad_cursor"),
        ({"outcome": "done"}, "unknown_parameter"),
    ],
    ids=["empty-range", "no-offset", "no-id", "no-action", "long-action", "long-cursor", "no-cursor", "unknown"],
)
async def test_a_filter_that_cannot_match_is_refused(admin: RunningService, params: dict[str, str], code: str) -> None:
    response = await admin.http.get("/admin/audit", params=params, headers=ADMIN)
    problem = response.json()
    assert response.status_code == 422
    assert code in {problem["code"], *(error["code"] for error in problem.get("errors", []))}


async def test_pages_neither_repeat_nor_skip_a_line_while_lines_are_added(admin: RunningService) -> None:
    ids = [UUID(int=1000 + number) for number in range(6)]
    for number, event_id in enumerate(ids):
        await admin.publish_event(an_audit_event(id=event_id, occurred_at=NOON + timedelta(seconds=number // 2)))
    seen, after = list[str](), dict[str, Any]()
    while True:
        page = (await admin.http.get("/admin/audit", params={"limit": 2} | after, headers=ADMIN)).json()
        seen += [line["id"] for line in page["items"]]
        await admin.publish_event(an_audit_event(occurred_at=NOON + timedelta(hours=len(seen))))
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == [str(event_id) for event_id in reversed(ids)]


async def test_an_event_that_is_delivered_again_changes_no_line(admin: RunningService, sql_url: str) -> None:
    event = an_audit_event()
    await admin.publish_event(event)
    await admin.publish_event(event)
    await admin.publish_event(event.model_copy(update={"actor_id": KIM}))
    async with Database(sql_url) as database, database.write() as connection:
        await connection.execute(text("DELETE FROM inbox"))  # as the retention of the inbox does, before a dead letter is replayed
    await admin.publish_event(event.model_copy(update={"actor_id": KIM, "outcome": "refused"}))
    (line,) = await list_lines(admin)
    assert (line["actor"], line["outcome"]) == (str(DOCTOR), "done")


async def test_a_page_as_csv_is_paged_as_json_is_and_runs_no_formula(admin: RunningService) -> None:
    for number, request_id in enumerate(("=1+1", "+1", "-1", "@SUM(A1)", "plain")):
        event = an_audit_event(occurred_at=NOON + timedelta(seconds=number), request_id=request_id, after={"status": "done"})
        await admin.publish_event(event)
    rows, url = list[dict[str, str]](), "/admin/audit?limit=2"
    while url:
        response = await admin.http.get(url, headers=ADMIN | {"Accept": "text/csv"})
        assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        assert response.headers["cache-control"] == "no-store"
        rows += csv.DictReader(io.StringIO(response.text))
        url = response.links["next"]["url"] if "next" in response.links else ""
    assert [row["request_id"] for row in rows] == ["plain", "'@SUM(A1)", "'-1", "'+1", "'=1+1"]
    as_json = await list_lines(admin)
    assert [row["hash"] for row in rows] == [line["hash"] for line in as_json]
    assert list(rows[0]) == list(as_json[0])
    assert (rows[0]["before"], rows[0]["after"]) == ("", '{"status": "done"}')
    refused = await admin.http.get("/admin/audit?after=bmV4dA", headers=ADMIN | {"Accept": "text/csv"})
    assert refused.json()["code"] == "bad_cursor"


async def count_lines(url: str) -> int:
    async with Database(url) as database, database.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(AUDIT_LINES)) or 0)


async def test_whole_days_stay_for_the_years_of_the_setting_and_are_deleted_then(admin: RunningService, sql_url: str) -> None:
    await admin.publish_event(an_audit_event())
    await admin.publish_event(an_audit_event(occurred_at=NOON + timedelta(hours=3)))
    await admin.advance(timedelta(days=1))
    await admin.publish_event(an_audit_event())

    admin.clock.advance(NOON.replace(year=NOON.year + 10) - NOON - timedelta(days=1))
    await admin.run_until_idle()
    assert await count_lines(sql_url) == 3

    admin.clock.advance(timedelta(hours=13))
    await admin.run_until_idle()
    assert await count_lines(sql_url) == 1
    heads = (await admin.http.get("/admin/audit/heads", headers=ADMIN)).json()["items"]
    assert [(head["day"], head["lines"], head["lines_deleted_at"]) for head in heads] == [
        ("2026-03-03", 1, None),
        ("2026-03-02", 2, "2036-03-03T01:00:00Z"),
    ]


async def test_lines_of_a_day_that_is_not_signed_are_not_deleted(tmp_path: Path) -> None:
    async with run_service("admin_svc", tmp_path) as service:
        await service.publish_event(an_audit_event())
        await service.advance(timedelta(days=365 * 11))
        assert len(await list_lines(service)) == 1


async def test_without_a_user_who_may_delete_lines_no_line_is_deleted_on_mysql(
    tmp_path: Path, mysql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_service("admin_svc", tmp_path, sign_heads, database_url=mysql_url) as service:
        assert "audit_retention_off" in caplog.text
        await service.publish_event(an_audit_event())
        await service.advance(timedelta(days=365 * 11))
        assert len(await list_lines(service)) == 1


async def test_a_stopped_run_goes_on_with_the_oldest_lines_in_bounded_pages(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, 1500)
        await insert_signed_head(database, 1500)
        lines, next_year = SqlOldAuditLines(database), NOON.replace(year=NOON.year + 1)
        assert await lines.delete_lines(NOON.date(), NOON, 700) == 0
        assert await lines.delete_lines(NOON.date() + timedelta(days=1), NOON, 700) == 700
        assert await AuditRetention(lines, lambda: 1, lambda: next_year).delete_old() == 0
        for query in (oldest_day(NOON.date()), oldest_positions(NOON.date(), 500)):
            plan = await explain(database, query)
            assert "audit_lines_by_position" in plan, plan
            assert "filesort" not in plan, plan
        assert await AuditRetention(lines, lambda: 1, lambda: next_year + timedelta(days=1)).delete_old() == 800
    assert await count_lines(sql_url) == 0


async def insert_signed_head(database: Database, lines: int) -> None:
    row = {"day": NOON.date(), "line_count": lines, "hash": "0" * 64, "previous_hash": "0" * 64, "closed_at": NOON}
    async with database.write() as connection:
        await connection.execute(insert(AUDIT_HEADS), row | {"key_id": "key-1", "signature": "signed", "signed_at": NOON})


def test_only_the_retention_job_deletes_lines_and_no_statement_changes_them() -> None:
    calls, sql = (
        r"\b(update|delete)\(\s*(\w+\.)?AUDIT_LINES|AUDIT_LINES\.(update|delete)",
        r"(?<!explain )(update|delete\s+from)\s+audit_lines",
    )
    changing = re.compile(f"{calls}|{sql}", re.IGNORECASE)
    package = Path(admin_svc.__file__).parent
    modules = {path: path.read_text() for path in package.rglob("*.py")}
    assert {path.name for path, source in modules.items() if "AUDIT_LINES" in source} == {"tables.py", "audit.py", "old_audit_lines.py"}
    assert [path.name for path, source in modules.items() if changing.search(source)] == ["old_audit_lines.py"]
    assert "update(AUDIT_LINES" not in modules[package / "repository" / "old_audit_lines.py"]
    importing = {path.name for path, source in modules.items() if "old_audit_lines import" in source}
    assert importing == {"wiring.py"}
    writes = re.findall(r"from sqlalchemy import (.*)", modules[package / "repository" / "audit.py"])
    assert not {"update", "delete", "text"} & set(re.split(r",\s*", writes[0])), writes


FILTERS = [
    AuditFilter(actor, action, subject, since, until)
    for actor, action, subject in itertools.product((None, DOCTOR), (None, "profile.read"), (None, (SAM,)))
    for since, until in itertools.product((None, NOON), (None, NOON + timedelta(seconds=1200)))
]


async def test_no_filter_scans_or_sorts_the_table(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, 1500)
        cursor = ((NOON + timedelta(seconds=900)).isoformat(), str(UUID(int=900)))
        for wanted, after in itertools.product(FILTERS, (None, cursor)):
            plan = await explain(database, matching_lines(wanted, 26, after))
            assert "audit_lines_by_" in plan, (wanted, plan)
            assert "SCAN audit_lines USING INDEX" in plan or "SCAN" not in plan, (wanted, plan)
            assert "filesort" not in plan, (wanted, plan)
            assert "TEMP B-TREE" not in plan, (wanted, plan)


async def test_a_page_deep_in_the_list_reads_no_more_rows_than_it_shows(mysql_url: str) -> None:
    migrate("admin_svc", mysql_url)
    cursor = ((NOON + timedelta(seconds=900)).isoformat(), str(UUID(int=900)))
    async with Database(mysql_url) as database:
        await fill(database, 1500)
        for wanted, after in itertools.product(FILTERS, (None, cursor)):
            filtered_by_hand = wanted.subject_ids is not None and (wanted.actor_id, wanted.action) != (None, None)
            most = 330 if filtered_by_hand else 30  # the lines of the person, or those of the page
            assert await count_rows_read(database, matching_lines(wanted, 26, after)) <= most, wanted


async def count_rows_read(database: Database, query: Any) -> int:
    """Return how many rows and index entries MariaDB reads for a query."""
    async with database.read() as connection:
        await connection.execute(text("FLUSH STATUS"))
        await connection.execute(query)
        rows = await connection.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        return sum(int(row.Value) for row in rows if row.Variable_name not in ("Handler_read_rnd_deleted", "Handler_read_rnd_next"))


def a_merge(patient_id: UUID, into: UUID) -> PatientMerged:
    return PatientMerged(id=new_id(), occurred_at=NOON, patient_id=patient_id, into=into, version=2)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_the_lines_of_a_person_are_also_those_of_former_ids_in_whatever_order_merges_arrive(
    admin: RunningService, order: tuple[int, ...]
) -> None:
    merges = a_merge(SAM, KIM), a_merge(KIM, LEE), a_merge(NURSE, LEE)
    events = [
        an_audit_event(subject_id=subject, occurred_at=NOON + timedelta(seconds=number))
        for number, subject in enumerate((SAM, LEE, KIM, DOCTOR, SAM, NURSE, LEE))
    ]
    for event in [*events, *(merges[number] for number in order), merges[0]]:
        await admin.publish_event(event)
    expected = [str(event.id) for event in reversed(events) if event.subject_id != DOCTOR]
    assert [line["id"] for line in await list_lines(admin, subject=LEE)] == expected
    assert [line["subject"] for line in await list_lines(admin, subject=KIM)] == [str(id_) for id_ in (SAM, KIM, SAM)]
    assert len(await list_lines(admin, subject=SAM)) == 2

    seen, params = list[str](), dict[str, Any](subject=str(LEE), limit=2)
    while True:
        page = (await admin.http.get("/admin/audit", params=params, headers=ADMIN)).json()
        seen += [line["id"] for line in page["items"]]
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert seen == expected
    until = {"to": "2026-03-02T12:00:04Z", "action": "medical_history.read"}
    assert [line["id"] for line in await list_lines(admin, subject=LEE, **until)] == expected[-3:]


async def test_lines_of_former_ids_are_read_in_the_order_of_an_index_and_at_most_a_page_of_each(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    async with Database(sql_url) as database:
        await fill(database, 1500)
        cursor = ((NOON + timedelta(seconds=900)).isoformat(), str(UUID(int=900)))
        for after in (None, cursor):
            plan = await explain(database, matching_lines(AuditFilter(subject_ids=(SAM, KIM, LEE)), 26, after))
            assert plan.count("audit_lines_by_subject") >= 3, plan
            assert "SCAN audit_lines" not in plan, plan
            assert plan.count("filesort") == (0 if database.is_sqlite else 1), ("only the pages are sorted", plan)
            steps = re.findall(r"'((?:SEARCH|SCAN|USE TEMP B-TREE)[^']*)'", plan)
            sorted_steps = {before for before, step in itertools.pairwise(steps) if step.startswith("USE TEMP")}
            assert not [step for step in sorted_steps if "audit_lines" in step], ("only the pages are sorted", plan)


async def test_the_former_ids_of_a_person_are_bounded(sql_url: str) -> None:
    migrate("admin_svc", sql_url)
    async with Database(sql_url) as database:
        rows = [{"patient_id": UUID(int=1000 + number), "into_id": LEE} for number in range(MAX_FORMER_IDS + 1)]
        async with database.write() as connection:
            await connection.execute(insert(FORMER_IDS), rows)
        store = SqlAdminStore(database, lambda: NOON)
        former_ids = await store.list_former_ids(LEE)
        assert len(former_ids) == MAX_FORMER_IDS
        assert await store.list_lines(AuditFilter(subject_ids=(LEE, *former_ids)), 26, None) == []


async def fill(database: Database, count: int) -> None:
    """Insert lines: one in ten is a read of a profile; there are 7 actors and 5 subjects."""
    line = an_audit_event().model_dump() | {"recorded_at": NOON}
    line["at"] = line.pop("occurred_at")
    line |= {"state_before": line.pop("before"), "state_after": line.pop("after"), "day": NOON.date()}
    rows = [
        line
        | {
            "id": UUID(int=number),
            "position": number + 1,
            "hash": "0" * 64,
            "at": NOON + timedelta(seconds=number),
            "actor_id": UUID(int=number % 7),
            "subject_id": UUID(int=number % 5),
            "action": "profile.read" if number % 10 == 0 else "medical_history.read",
        }
        for number in range(count)
    ]
    async with database.write() as connection:
        await connection.execute(insert(AUDIT_LINES), rows)
    async with database.write() as connection:
        await connection.execute(text("ANALYZE" if database.is_sqlite else "ANALYZE TABLE audit_lines"))


async def explain(database: Database, query: Any) -> str:
    """Return how the database executes a query."""
    statement = query.compile(compile_kwargs={"literal_binds": True}, dialect=database._reader.dialect)
    async with database.read() as connection:
        keyword = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        return str((await connection.execute(text(f"{keyword} {statement}".replace(":", r"\:")))).all())
