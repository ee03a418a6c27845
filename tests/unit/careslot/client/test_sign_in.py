"""`careslot login`, `logout`, `whoami` and `profiles`, and the tokens that they keep."""

from __future__ import annotations

import json
import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from careslot.client.environment import Terminals
from careslot.client.failures import UsageFault
from careslot.client.options import CommonOptions, Invocation
from careslot.client.profiles import SessionFile
from careslot.client.session import open_session
from careslot.client.stored_files import make_private_folder, write_document
from careslot.client.tokens import SessionTokens
from tests.unit.careslot.client.fake_platform import ADMIN_ACCOUNT, URL, FakePlatform, page, problem

AT_A_TERMINAL = Terminals(True, True, True)


def signed_in(number: int = 1) -> httpx.Response:
    tokens = {"access_token": f"token-{number}", "refresh_token": f"refresh-{number}", "expires_in": 600, "token_type": "Bearer"}
    return httpx.Response(200, json=tokens | {"account": ADMIN_ACCOUNT})


def test_a_password_is_asked_for_without_showing_it_and_the_session_is_kept(platform: FakePlatform) -> None:
    platform.terminals, platform.secrets = AT_A_TERMINAL, ["a long pass phrase"]
    platform.answer("POST /auth/login", signed_in())
    ran = platform.run("login", stdin="admin@clinic.example\n")
    assert (ran.exit_code, ran.stdout.splitlines()[-1]) == (0, f"signed in at {URL} as Ann Admin")
    assert platform.body("POST /auth/login") == {"email": "admin@clinic.example", "password": "a long pass phrase"}
    assert "pass phrase" not in ran.output
    platform.answer("GET /auth/me", httpx.Response(200, json=ADMIN_ACCOUNT))
    assert platform.json("whoami")["account"]["role"] == "admin"
    assert platform.sent("GET /auth/me")[0].headers["authorization"] == "Bearer token-1"


def test_tokens_are_readable_by_the_user_only(platform: FakePlatform) -> None:
    platform.answer("POST /auth/login", signed_in())
    assert platform.run("login", "--email", "admin@clinic.example", "--password-stdin", stdin="pass\n").exit_code == 0
    path = platform.session_file.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == stat.S_IMODE(platform.folder.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir() if entry.suffix not in (".json", ".lock")] == [], "no draft stays behind"


def test_a_login_that_is_given_up_at_the_prompt_is_exit_code_130(platform: FakePlatform) -> None:
    platform.terminals = AT_A_TERMINAL
    ran = platform.run("login", stdin="")
    assert (ran.exit_code, platform.requests) == (130, [])


def test_a_one_time_code_is_asked_for_when_the_account_needs_one(platform: FakePlatform) -> None:
    platform.terminals, platform.secrets = AT_A_TERMINAL, ["a long pass phrase", "123456"]
    platform.answer("POST /auth/login", problem(401, "otp_required"), signed_in())
    assert platform.run("login", "--email", "admin@clinic.example").exit_code == 0
    assert platform.body("POST /auth/login")["otp"] == "123456"
    platform.answer("POST /auth/login", problem(401, "otp_required"), signed_in())
    ran = platform.run("login", "--email", "admin@clinic.example", "--password-stdin", stdin="a long pass phrase\n654321\n")
    assert ran.exit_code == 0
    assert platform.body("POST /auth/login")["otp"] == "654321"


def test_a_wrong_password_is_exit_code_3_and_keeps_nothing(platform: FakePlatform) -> None:
    platform.answer("POST /auth/login", problem(401, "invalid_credentials"))
    ran = platform.run("login", "--email", "admin@clinic.example", "--password-stdin", stdin="wrong\n")
    assert ran.exit_code == 3
    assert "invalid_credentials, said plainly." in ran.stderr
    assert platform.session_file.read() is None


@pytest.mark.parametrize("arguments", [["login"], ["login", "--password-stdin"], ["login", "--client-id", "c1"]])
def test_without_a_terminal_a_login_needs_what_it_would_ask_for(platform: FakePlatform, arguments: list[str]) -> None:
    ran = platform.run(*arguments)
    assert (ran.exit_code, platform.requests) == (2, [])


def test_an_api_client_signs_in_with_the_secret_of_the_environment_which_is_not_stored(platform: FakePlatform) -> None:
    platform.variables["CARESLOT_CLIENT_SECRET"] = "s3cret-of-the-client"
    token = {"access_token": "client-token", "expires_in": 600, "token_type": "Bearer"}
    platform.answer("POST /auth/token", httpx.Response(200, json=token), httpx.Response(200, json=token | {"access_token": "next-token"}))
    assert platform.run("login", "--client-id", "c1").exit_code == 0
    assert b"client_secret=s3cret-of-the-client" in platform.sent("POST /auth/token")[0].content
    assert "s3cret" not in platform.session_file.path.read_text()
    platform.answer("GET /appointments", page())
    platform.clock.advance(timedelta(minutes=11))
    assert platform.json("appointments") == {"items": [], "next": None}
    assert platform.sent("GET /appointments")[0].headers["authorization"] == "Bearer next-token"
    assert platform.run("patients", "show", "Mina").exit_code == 2, "API clients cannot search patients"
    platform.answer("GET /appointments", problem(403, "insufficient_scope"))
    assert platform.json("whoami")["client_id"] == "c1"
    del platform.variables["CARESLOT_CLIENT_SECRET"]
    platform.clock.advance(timedelta(minutes=11))
    ran = platform.run("appointments")
    assert ran.exit_code == 3
    assert "CARESLOT_CLIENT_SECRET" in ran.stderr


def test_a_refused_api_client_is_exit_code_3(platform: FakePlatform) -> None:
    platform.variables["CARESLOT_CLIENT_SECRET"] = "wrong"
    platform.answer("POST /auth/token", httpx.Response(401, json={"error": "invalid_client"}))
    ran = platform.run("login", "--client-id", "c1", "--json")
    assert (ran.exit_code, json.loads(ran.stderr)["code"]) == (3, "invalid_client")


def test_an_expired_token_is_renewed_once_and_the_new_one_is_stored(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.clock.advance(timedelta(hours=2))
    platform.answer("POST /auth/refresh", signed_in(2))
    platform.answer("GET /appointments", page())
    assert platform.run("appointments").exit_code == 0
    assert platform.body("POST /auth/refresh") == {"refresh_token": "refresh-1"}
    assert platform.run("appointments").exit_code == 0
    assert len(platform.sent("POST /auth/refresh")) == 1
    assert [request.headers["authorization"] for request in platform.sent("GET /appointments")] == ["Bearer token-2"] * 2


def test_a_token_that_the_server_does_not_accept_any_more_is_renewed(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("POST /auth/refresh", signed_in(2))
    platform.answer("GET /appointments", problem(401, "token_invalid"), page())
    assert platform.run("appointments").exit_code == 0
    assert platform.sent("GET /appointments")[-1].headers["authorization"] == "Bearer token-2"


def test_two_commands_at_once_renew_the_session_once(platform: FakePlatform) -> None:
    """A refresh token that is used twice ends the session, so the second process has to find the tokens of the first."""
    platform.sign_in()
    platform.clock.advance(timedelta(hours=2))
    first_is_renewing, second_is_waiting = threading.Event(), threading.Event()

    def refresh(_request: httpx.Request) -> httpx.Response:
        first_is_renewing.set()
        second_is_waiting.wait(60)
        return signed_in(2)

    platform.answer("POST /auth/refresh", refresh, problem(401, "token_reused"))
    tokens = [_tokens_of(platform, FileThatAnnouncesLocks(platform, event)) for event in (threading.Event(), second_is_waiting)]
    results: list[str] = []
    first = threading.Thread(target=lambda: results.append(tokens[0].renew("token-1")))
    second = threading.Thread(target=lambda: results.append(tokens[1].renew("token-1")))
    first.start()
    assert first_is_renewing.wait(60)
    second.start()
    first.join(60)
    second.join(60)
    assert results == ["token-2", "token-2"]
    assert len(platform.sent("POST /auth/refresh")) == 1


class FileThatAnnouncesLocks(SessionFile):
    """A session file that sets an event before it waits for its lock."""

    def __init__(self, platform: FakePlatform, event: threading.Event) -> None:
        super().__init__(platform.folder, "default", URL)
        self._event = event

    def lock(self) -> Any:
        self._event.set()
        return super().lock()


def _tokens_of(platform: FakePlatform, file: SessionFile) -> SessionTokens:
    session = open_session(Invocation(platform.environment(), CommonOptions()))
    return SessionTokens(file, platform.environment(), session.api.request_json)


def test_a_session_that_has_ended_is_exit_code_3_and_is_forgotten(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.clock.advance(timedelta(hours=2))
    platform.answer("POST /auth/refresh", problem(401, "token_reused"))
    ran = platform.run("appointments")
    assert (ran.exit_code, ran.stdout) == (3, "")
    assert "careslot login" in ran.stderr
    assert platform.session_file.read() is None


def test_a_renewal_that_the_network_interrupts_is_not_sent_twice_and_keeps_the_session(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.clock.advance(timedelta(hours=2))
    platform.answer("POST /auth/refresh", httpx.ReadError("connection reset"))
    assert platform.run("appointments").exit_code == 4
    assert len(platform.sent("POST /auth/refresh")) == 1
    assert platform.session_file.read() is not None


def test_logout_ends_the_session_and_deletes_its_tokens(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("POST /auth/logout", httpx.Response(204))
    assert platform.run("logout").exit_code == 0
    assert platform.body("POST /auth/logout") == {"refresh_token": "refresh-1"}
    assert platform.session_file.read() is None
    assert platform.run("logout").exit_code == 3
    assert platform.json("profiles")["items"] != []
    assert platform.run("logout", "--forget").exit_code == 0
    assert platform.json("profiles")["items"] == []


def test_all_sessions_end_only_after_a_yes(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("POST /auth/logout-all", httpx.Response(204))
    assert platform.run("logout", "--everywhere").exit_code == 2
    assert platform.run("logout", "--everywhere", "--yes").exit_code == 0


def test_a_token_is_never_sent_to_another_address(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("GET /appointments", problem(401, "not_authenticated"))
    ran = platform.run("appointments", "--url", "https://elsewhere.example")
    assert ran.exit_code == 3
    assert [request for request in platform.requests if "authorization" in request.headers] == []


def test_each_profile_has_an_address_and_a_session_of_its_own(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("POST /auth/login", signed_in(7))
    arguments = ("login", "--email", "north@clinic.example", "--password-stdin", "--profile", "north", "--url", "https://north.example")
    assert platform.run(*arguments, stdin="pass\n").exit_code == 0
    rows = {row["profile"]: row for row in platform.json("profiles")["items"]}
    assert {name: row["url"] for name, row in rows.items()} == {"default": URL, "north": "https://north.example"}
    platform.variables = {"CARESLOT_URL": "", "CARESLOT_PROFILE": "north"}
    platform.answer("GET /appointments", page())
    assert platform.run("appointments").exit_code == 0
    request = platform.sent("GET /appointments")[-1]
    assert (request.url.host, request.headers["authorization"]) == ("north.example", "Bearer token-7")


@pytest.mark.parametrize("name", ["../up", "a/b", "x" * 65], ids=["up", "slash", "long"])
def test_a_profile_cannot_leave_the_folder(platform: FakePlatform, name: str) -> None:
    assert platform.run("doctors", "--profile", name).exit_code == 2


@pytest.mark.parametrize(
    "url", ["clinic.example", "ftp://clinic.example", "https://", "https://a:b@clinic.example", "https://c.example/?q"]
)
def test_an_address_that_is_none_is_exit_code_2(platform: FakePlatform, url: str) -> None:
    ran = platform.run("doctors", "--url", url)
    assert ran.exit_code == 2
    assert "is not the address of a platform" in ran.stderr


@pytest.mark.parametrize("profiles", [{"default": {}}, {"default": None}, []], ids=["without url", "null", "list"])
def test_a_damaged_profile_file_is_named(platform: FakePlatform, profiles: Any) -> None:
    platform.sign_in()
    (platform.folder / "profiles.json").write_text(json.dumps({"profiles": profiles}))
    ran = platform.run("doctors")
    assert (ran.exit_code, "profiles.json" in ran.stderr) == (2, True)


def test_a_file_that_cannot_be_replaced_leaves_no_draft_with_tokens(tmp_path: Path) -> None:
    (tmp_path / "session.json").mkdir()
    with pytest.raises(UsageFault, match="cannot be written"):
        write_document(tmp_path / "session.json", {"access_token": "token-1"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["session.json"]


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageFault, match="cannot be created"):
        make_private_folder(tmp_path / "file" / "careslot")


def test_a_damaged_session_file_is_named(platform: FakePlatform) -> None:
    platform.sign_in()
    Path(platform.session_file.path).write_text("{")
    ran = platform.run("appointments")
    assert ran.exit_code == 2
    assert "sign in again" in ran.stderr


def test_a_password_over_an_unencrypted_network_is_warned_about(platform: FakePlatform) -> None:
    platform.answer("POST /auth/login", signed_in())
    arguments = ("login", "--email", "a@clinic.example", "--password-stdin")
    assert "not encrypted" in platform.run(*arguments, "--url", "http://clinic.example", stdin="pass\n").stderr
    assert "not encrypted" not in platform.run(*arguments, "--url", "http://localhost:8000", stdin="pass\n").stderr


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json={"ok": True}), httpx.Response(200, json=[])]
)
def test_a_response_to_a_sign_in_without_tokens_is_exit_code_4(platform: FakePlatform, answer: httpx.Response) -> None:
    platform.answer("POST /auth/login", answer)
    ran = platform.run("login", "--email", "a@clinic.example", "--password-stdin", stdin="pass\n")
    assert ran.exit_code == 4
    assert platform.session_file.read() is None
