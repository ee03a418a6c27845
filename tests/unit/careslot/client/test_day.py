"""`careslot agenda` and `careslot watch`."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from careslot.client.environment import Terminals
from tests.unit.careslot.client.fake_platform import APPOINTMENT_ID, DOCTOR_ID, FakePlatform, an_appointment, page, problem

SECOND_ID = "6" + APPOINTMENT_ID[1:]
ROUTE = "GET /appointments"


@pytest.fixture(autouse=True)
def _signed_in(platform: FakePlatform) -> None:
    platform.sign_in()


def test_a_day_is_printed_as_a_table_in_the_order_of_its_times(platform: FakePlatform) -> None:
    platform.answer(ROUTE, page(an_appointment(), an_appointment(id=SECOND_ID, status="checked_in", starts_at="2026-03-09T13:30:00Z")))
    title, heading, *rows = platform.run("agenda", "--today", "--doctor", "Ada Brandt").stdout.splitlines()
    assert title.strip() == "Monday 2026-03-09 (Europe/Berlin)"
    assert heading.split() == ["time", "patient", "service", "doctor", "status", "id"]
    assert [row.split()[0] for row in rows] == ["14:00-14:30", "14:30-14:30"]
    params = platform.sent(ROUTE)[0].url.params
    assert (params["from"], params["to"], params["doctor_id"]) == ("2026-03-08T23:00:00Z", "2026-03-09T23:00:00Z", DOCTOR_ID)
    assert "cancelled" not in params.get_list("status")
    platform.run("agenda", "--cancelled")
    assert "cancelled" in platform.sent(ROUTE)[-1].url.params.get_list("status")


def test_a_day_of_a_change_of_the_clocks_has_23_hours(platform: FakePlatform) -> None:
    platform.answer(ROUTE, page())
    assert "nothing" in platform.run("agenda", "--date", "2026-03-29").stdout
    params = platform.sent(ROUTE)[0].url.params
    assert (params["from"], params["to"]) == ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")


def test_a_day_is_a_list_for_programs(platform: FakePlatform) -> None:
    platform.answer(ROUTE, page(an_appointment()))
    assert platform.json("agenda") == {"items": [an_appointment()], "next": None}
    assert platform.run("agenda", "--output", "csv").stdout.splitlines()[1].startswith("2026-03-09T14:00:00+01:00,Mina Park")


@pytest.mark.parametrize("arguments", [["--date", "someday"], ["--today", "--date", "tomorrow"], ["--date", "2026-02-30"]])
def test_a_day_that_is_none_is_exit_code_2(platform: FakePlatform, arguments: list[str]) -> None:
    assert platform.run("agenda", *arguments).exit_code == 2


def test_a_followed_day_prints_a_line_for_each_change_until_it_is_interrupted(platform: FakePlatform) -> None:
    arrived = an_appointment(status="checked_in", version=3)
    newcomer = an_appointment(id=SECOND_ID, patient={"full_name": "Tom Weber"})
    platform.answer(ROUTE, page(an_appointment()), page(an_appointment()), page(arrived, newcomer), page(newcomer))
    platform.interrupt_after_sleeps = 5
    ran = platform.run("watch", "--every", "2")
    assert ran.exit_code == 0
    assert platform.slept == [2.0] * 5
    lines = [line.split("  ") for line in ran.stdout.splitlines()]
    assert [(line[1], line[2], line[3]) for line in lines] == [
        ("14:00-14:30", "booked", "Mina Park"),
        ("14:00-14:30", "checked_in", "Mina Park"),
        ("14:00-14:30", "booked", "Tom Weber"),
        ("14:00-14:30", "moved to another day", "Mina Park"),
    ]


def test_a_followed_day_is_a_json_document_per_change_for_programs(platform: FakePlatform) -> None:
    arrived = an_appointment(status="checked_in")
    platform.answer(ROUTE, page(an_appointment()), page(arrived))
    platform.interrupt_after_sleeps = 3
    changes = [json.loads(line) for line in platform.run("watch", "--json").stdout.splitlines()]
    assert changes == [{"before": None, "after": an_appointment()}, {"before": an_appointment(), "after": arrived}]
    assert platform.run("watch", "--output", "csv").exit_code == 2


def test_a_followed_day_is_a_table_on_a_terminal(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    platform.terminals, platform.interrupt_after_sleeps = Terminals(True, True, True), 3
    platform.answer(ROUTE, page(an_appointment()), page(an_appointment(status="cancelled")))
    text = platform.run("watch").stdout
    assert text.count("Monday 2026-03-09 (Europe/Berlin), 12:00:00") == 2
    assert text.count("Mina Park") == 1, "a cancelled visit leaves the table"


def test_a_followed_day_goes_on_when_the_platform_answers_again(platform: FakePlatform) -> None:
    unreachable: list[Any] = [httpx.ConnectError("refused")] * 4
    limited = problem(429, "rate_limited", {"retry-after": "3600"})
    answers = (page(an_appointment()), *unreachable, problem(503, "unavailable"), limited, page(an_appointment(status="checked_in")))
    platform.answer(ROUTE, *answers)
    platform.interrupt_after_sleeps = 3 + 5
    ran = platform.run("watch")
    assert ran.exit_code == 0
    assert ran.stderr.count("Trying again every 5 seconds.") == 1
    assert "checked_in" in ran.stdout


@pytest.mark.parametrize(("answer", "exit_code"), [(problem(403, "forbidden"), 1), (problem(503, "unavailable"), 4)])
def test_a_day_that_cannot_be_read_at_first_ends_the_command(platform: FakePlatform, answer: httpx.Response, exit_code: int) -> None:
    platform.answer(ROUTE, answer)
    assert platform.run("watch").exit_code == exit_code


def test_a_session_that_ends_while_a_day_is_followed_is_exit_code_3(platform: FakePlatform) -> None:
    platform.answer(ROUTE, page(), problem(401, "token_invalid"))
    platform.answer("POST /auth/refresh", problem(401, "token_reused"))
    assert platform.run("watch").exit_code == 3


def test_today_is_followed_over_midnight(platform: FakePlatform) -> None:
    def show(request: httpx.Request) -> httpx.Response:
        platform.clock.advance(timedelta(hours=12))
        return page()

    platform.answer(ROUTE, show)
    platform.answer(
        "POST /auth/refresh",
        httpx.Response(200, json={"access_token": "t", "refresh_token": "r", "expires_in": 10**6, "account": {"id": "1"}}),
    )
    platform.interrupt_after_sleeps = 2
    platform.run("watch")
    assert [request.url.params["from"] for request in platform.sent(ROUTE)] == ["2026-03-08T23:00:00Z", "2026-03-09T23:00:00Z"]
