"""How requests are sent: pages, limits of the server, faults of the network, and which exit code they end with."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.main import get_command

from careslot.cli import USED_OPTIONS, app
from careslot.client.environment import Terminals
from tests.unit.careslot.client.fake_platform import DOCTOR, URL, FakePlatform, page, problem


@pytest.mark.parametrize("arguments", [("--json", "doctors"), ("doctors", "--json"), ("doctors", "--output", "json")])
def test_the_options_of_all_commands_stand_before_or_after_the_command(platform: FakePlatform, arguments: tuple[str, ...]) -> None:
    assert json.loads(platform.run(*arguments).stdout) == {"items": [DOCTOR], "next": None}


def test_an_option_after_the_command_counts_more_than_one_before_it(platform: FakePlatform) -> None:
    platform.run("--url", "https://first.example", "doctors", "--url", "https://second.example")
    assert {request.url.host for request in platform.requests} == {"second.example"}
    assert platform.run("--json", "doctors", "--output", "csv").exit_code == 2


@pytest.mark.parametrize("arguments", [("--json", "verify"), ("verify", "--json"), ("--output", "json", "verify")])
def test_the_auditor_reads_the_options_of_all_commands_in_both_places(platform: FakePlatform, tmp_path: Path, arguments: Any) -> None:
    (tmp_path / "data").mkdir()
    ran = platform.run(*arguments, "--data", str(tmp_path / "data"))
    assert ran.exit_code == 4
    assert json.loads(ran.stderr)["code"] == "unreachable"


@pytest.mark.parametrize("command", ["check", "healthcheck"])
def test_a_command_that_does_not_use_the_api_also_prints_json(platform: FakePlatform, command: str) -> None:
    options = ("--url", "http://127.0.0.1:1") if command == "healthcheck" else ()
    ran = platform.run("--json", *options, command)
    assert ran.exit_code > 0
    assert json.loads(ran.stdout).keys() == ({"url", "health"} if command == "healthcheck" else {"faults", "warnings"})


def test_an_option_that_a_command_does_not_have_is_refused_and_not_ignored(platform: FakePlatform) -> None:
    commands: Any = get_command(app)
    assert USED_OPTIONS.keys() <= commands.commands.keys()
    for command in sorted(USED_OPTIONS):
        ran = platform.run("--profile", "north", command)
        assert (command, ran.exit_code, "no --profile" in ran.stderr) == (command, 2, True)
    assert platform.run("verify", "--output", "csv").exit_code == 2


def test_a_group_of_commands_takes_the_options_in_all_three_places(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("GET /admin/users", page())
    user = {"id": "5", "email": "a@b.example", "full_name": "A", "role": "reception", "status": "invited"}
    platform.answer("POST /admin/users", httpx.Response(201, json=user))
    assert platform.json("users") == {"items": [], "next": None}
    for options in (["--json", "users", "add"], ["users", "--json", "add"], ["users", "add", "--json"]):
        ran = platform.run(*options, "a@b.example", "--role", "reception", "--name", "A")
        assert json.loads(ran.stdout)["status"] == "invited"
    assert len(platform.sent("GET /admin/users")) == 1, "the list is not printed when a command of the group is named"


def test_a_list_follows_its_pages_up_to_the_limit(platform: FakePlatform) -> None:
    def numbered(request: httpx.Request) -> httpx.Response:
        first, size = int(request.url.params.get("after", 0)), int(request.url.params["limit"])
        items = [DOCTOR | {"id": f"{number}"} for number in range(first, min(first + size, 250))]
        return page(*items, next_cursor=str(first + size) if first + size < 250 else None)

    platform.answer("GET /doctors", numbered)
    assert len(platform.json("doctors")["items"]) == 25
    some = platform.json("doctors", "--limit", "120")
    assert (len(some["items"]), some["next"]) == (120, "120")
    everything = platform.json("doctors", "--all")
    assert (len(everything["items"]), everything["next"]) == (250, None)
    assert [item["id"] for item in platform.json("doctors", "--after", "248")["items"]] == ["248", "249"]
    assert "There is more" in platform.run("doctors").stderr


def test_a_command_waits_as_long_as_a_limit_of_the_server_asks(platform: FakePlatform) -> None:
    platform.answer("GET /doctors", problem(429, "rate_limited", {"retry-after": "7"}), page(DOCTOR))
    ran = platform.run("doctors")
    assert (ran.exit_code, platform.slept) == (0, [7.0])
    assert "wait 7 seconds" in ran.stderr


def test_a_longer_wait_than_allowed_ends_the_command(platform: FakePlatform) -> None:
    platform.answer("GET /doctors", problem(429, "rate_limited", {"retry-after": "61"}))
    ran = platform.run("doctors", "--json")
    assert (ran.exit_code, platform.slept) == (1, [])
    assert json.loads(ran.stderr)["code"] == "rate_limited"
    platform.answer("GET /doctors", problem(429, "rate_limited", {"retry-after": "3"}))
    assert platform.run("doctors", "--max-wait", "0").exit_code == 1
    assert platform.slept == []
    platform.answer("GET /doctors", problem(429, "rate_limited", {"retry-after": "30"}))
    assert platform.run("doctors").exit_code == 1
    assert platform.slept == [30.0, 30.0], "not longer in total"


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused"), "Connection refused."),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "Name or service not known."),
        (httpx.ReadTimeout("timed out"), "no answer within 30 seconds."),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "Server disconnected without sending a response."),
        (
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)"),
            "its certificate is not trusted (certificate has expired).",
        ),
        (httpx.ConnectError(str(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"))), "does not speak TLS as expected"),
    ],
    ids=["refused", "unknown name", "timeout", "disconnected", "certificate", "no TLS"],
)
def test_a_platform_that_cannot_be_reached_is_one_line_and_exit_code_4(platform: FakePlatform, fault: Exception, sentence: str) -> None:
    platform.answer("GET /doctors", fault)
    ran = platform.run("doctors")
    assert (ran.exit_code, ran.stdout) == (4, "")
    assert ran.stderr.startswith(f"{URL} cannot be reached: ")
    assert sentence in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert json.loads(platform.run("doctors", "--json").stderr)["code"] == "unreachable"


def test_a_request_that_the_network_interrupts_is_sent_again(platform: FakePlatform) -> None:
    disconnected = httpx.RemoteProtocolError("Server disconnected without sending a response.")
    platform.answer("GET /doctors", httpx.ConnectError("refused"), httpx.ReadError("reset"), disconnected, page(DOCTOR))
    assert platform.run("doctors").exit_code == 0
    assert platform.slept == [0.5, 1.0, 2.0]


def test_a_server_that_does_not_speak_http_is_called_once(platform: FakePlatform) -> None:
    platform.answer("GET /doctors", httpx.RemoteProtocolError("illegal status line"))
    assert platform.run("doctors").exit_code == 4
    assert (len(platform.requests), platform.slept) == (1, [])


def test_a_change_without_a_key_is_not_sent_again_after_it_may_have_arrived(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("DELETE /admin/users/" + "5" * 8 + "-0000-4000-8000-000000000000", httpx.ReadError("reset"))
    ran = platform.run("users", "disable", "5" * 8 + "-0000-4000-8000-000000000000", "--yes")
    assert (ran.exit_code, len(platform.requests)) == (4, 1)


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(404, "not_found", 1), (403, "forbidden", 1), (401, "not_authenticated", 3), (500, "internal_error", 4), (503, "unavailable", 4)],
)
def test_the_exit_code_says_what_kind_of_refusal_it_was(platform: FakePlatform, status: int, code: str, exit_code: int) -> None:
    platform.answer("GET /doctors", problem(status, code))
    assert platform.run("doctors").exit_code == exit_code


def test_a_response_that_is_too_large_is_not_read_to_its_end(platform: FakePlatform) -> None:
    parts = 0

    def endless() -> Iterator[bytes]:
        nonlocal parts
        while True:
            parts += 1
            yield b" " * 1024 * 1024

    platform.answer("GET /doctors", lambda _request: httpx.Response(200, content=endless()))
    ran = platform.run("doctors")
    assert (ran.exit_code, parts) == (4, 65)
    assert "more than 64 MiB" in ran.stderr


def test_a_list_as_csv_is_printed_page_by_page(platform: FakePlatform) -> None:
    platform.answer("GET /doctors", page(DOCTOR, next_cursor="c1"), page(DOCTOR | {"full_name": "Noor Haddad"}))
    lines = platform.run("doctors", "--all", "--output", "csv").stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == ["full_name", "Ada Brandt", "Noor Haddad"]
    platform.answer("GET /doctors", page(DOCTOR, next_cursor="c1"), problem(503, "unavailable"))
    ran = platform.run("doctors", "--all", "--output", "csv")
    assert (ran.exit_code, len(ran.stdout.splitlines())) == (4, 2)


def test_the_new_address_of_a_platform_that_has_moved_is_named(platform: FakePlatform) -> None:
    platform.answer("GET /doctors", httpx.Response(301, headers={"location": "https://new.example/doctors"}))
    ran = platform.run("doctors")
    assert (ran.exit_code, "https://new.example/doctors" in ran.stderr) == (4, True)


def test_a_list_whose_cursor_does_not_move_on_ends(platform: FakePlatform) -> None:
    platform.answer("GET /doctors", page(DOCTOR, next_cursor="same"))
    assert len(platform.json("doctors", "--all")["items"]) == 2


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[]), httpx.Response(302), httpx.Response(502)]
)
def test_a_server_that_is_no_platform_ends_the_command(platform: FakePlatform, answer: httpx.Response) -> None:
    platform.answer("GET /doctors", answer)
    ran = platform.run("doctors")
    assert ran.exit_code == 4
    assert URL in ran.stderr


def test_the_fields_of_a_refused_body_are_listed(platform: FakePlatform) -> None:
    platform.sign_in()
    errors = [{"pointer": "/born_on", "code": "date", "detail": "The value is no date."}]
    platform.answer("POST /patients", problem(422, "validation_failed", errors=errors))
    ran = platform.run("patients", "add", "Mina Park", "--born-on", "yesterday")
    assert ran.exit_code == 1
    assert "/born_on: The value is no date." in ran.stderr
    assert "(validation_failed, request r1)" in ran.stderr


def test_an_interrupted_command_ends_with_130_and_without_a_traceback(platform: FakePlatform) -> None:
    platform.interrupt_after_sleeps = 1
    platform.answer("GET /doctors", httpx.ConnectError("refused"))
    ran = platform.run("doctors")
    assert (ran.exit_code, ran.output) == (130, "")


def test_any_operation_of_the_api_can_be_called(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("GET /admin/closures", page())
    platform.answer("POST /admin/closures", httpx.Response(201, json={"id": "1"}))
    platform.answer("DELETE /admin/closures/1", httpx.Response(204))
    assert json.loads(platform.run("api", "get", "/admin/closures?limit=5").stdout) == {"items": [], "next": None}
    assert platform.sent("GET /admin/closures")[0].url.params["limit"] == "5"
    ran = platform.run("api", "POST", "/admin/closures", "--body", "@-", "--if-match", "3", stdin='{"reason": "storm"}')
    assert json.loads(ran.stdout) == {"id": "1"}
    assert platform.body("POST /admin/closures") == {"reason": "storm"}
    assert platform.sent("POST /admin/closures")[0].headers["if-match"] == '"3"'
    assert platform.run("api", "DELETE", "/admin/closures/1").stdout == ""
    large = platform.folder.parent / "large.json"
    large.write_bytes(b'"' + b"x" * 8 * 1024 * 1024 + b'"')
    for wrong in (
        ["FETCH", "/x"],
        ["GET", "x"],
        ["GET", "//elsewhere.example"],
        ["POST", "/x", "--body", "{"],
        ["POST", "/x", "--body", "@no"],
        ["POST", "/x", "--body", f"@{large}"],
    ):
        assert platform.run("api", *wrong).exit_code == 2


@pytest.mark.parametrize("arguments", [["api", "POST", "/x", "--key", "clé"], ["patients", "add", "\udcff"]], ids=["key", "not UTF-8"])
def test_an_argument_that_cannot_be_sent_is_exit_code_2(platform: FakePlatform, arguments: list[str]) -> None:
    ran = platform.run(*arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "cannot be sent" in ran.stderr


def test_progress_is_shown_on_a_terminal_only(platform: FakePlatform) -> None:
    assert platform.run("doctors", "--all", "--json").stderr == ""
    platform.terminals = Terminals(False, False, True)
    ran = platform.run("doctors", "--all", "--json")
    assert "reading" in ran.stderr
    assert json.loads(ran.stdout)["items"]
