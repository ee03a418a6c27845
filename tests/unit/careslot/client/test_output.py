"""What is printed: tables, JSON and CSV, on terminals of any width and encoding."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from careslot.client.environment import ClientEnvironment, Terminals
from careslot.client.failures import EXIT_CODES
from careslot.client.profiles import PlatformProfile, PlatformProfiles
from careslot.client.texts import clean
from tests.unit.careslot.client.fake_platform import APPOINTMENT_ID, DOCTOR, URL, FakePlatform, an_appointment, page, problem

ROOT = Path(__file__).parents[4]
OUTPUT_TERMINAL = Terminals(False, True, False)


def test_a_table_names_the_zone_of_its_times(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("GET /appointments", page(an_appointment()))
    heading, row = platform.run("appointments").stdout.splitlines()
    assert heading.split("  ")[0] == "start (Europe/Berlin)"
    assert row.split() == ["Mon", "2026-03-09", "14:00", "Mina", "Park", "Check-up", "Ada", "Brandt", "booked", APPOINTMENT_ID]
    assert "Mon 2026-03-09 09:00" in platform.run("appointments", "--time-zone", "America/New_York").stdout
    assert platform.run("appointments", "--time-zone", "Mars/Base").exit_code == 2


def test_json_is_the_document_of_the_api(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("GET /appointments", page(an_appointment(), next_cursor="c1"))
    assert platform.json("appointments", "--limit", "1") == {"items": [an_appointment()], "next": "c1"}


def test_csv_has_fixed_headings_times_with_an_offset_and_no_formula(platform: FakePlatform) -> None:
    platform.sign_in()
    evil = {"id": "1", "full_name": '=HYPERLINK("http://evil.example")'}
    platform.answer("GET /appointments", page(an_appointment(patient=evil), an_appointment(patient={"full_name": ' \uff0d1+1, "Bob"'})))
    rows = list(csv.DictReader(io.StringIO(platform.run("appointments", "--output", "csv").stdout)))
    assert list(rows[0]) == ["starts_at", "patient_full_name", "service_name", "doctor_full_name", "status", "id"]
    assert rows[0]["starts_at"] == "2026-03-09T14:00:00+01:00"
    assert rows[0]["patient_full_name"] == '\'=HYPERLINK("http://evil.example")'
    assert rows[1]["patient_full_name"] == '\' \uff0d1+1, "Bob"'


def test_times_are_in_the_zone_of_the_clinics_settings(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.forget_zone()
    platform.answer("GET /appointments", page(an_appointment()))
    platform.answer("GET /clinic", httpx.Response(200, json={"time_zone": "Asia/Tokyo"}))
    assert "Mon 2026-03-09 22:00" in platform.run("appointments").stdout
    assert "authorization" not in platform.sent("GET /clinic")[0].headers, "everybody may know it, also after the session has ended"
    assert "(Asia/Tokyo)" in platform.run("appointments").stdout
    assert len(platform.sent("GET /clinic")) == 1, "it was noted in the profile"


def test_a_zone_that_the_clinic_has_changed_is_noticed_within_a_day(platform: FakePlatform) -> None:
    platform.sign_in()
    platform.answer("GET /doctors", page())
    platform.answer("GET /slots", page({"starts_at": "2026-03-09T13:00:00Z", "ends_at": "2026-03-09T13:30:00Z", "doctor_id": "1"}))
    platform.answer("GET /clinic", httpx.Response(200, json={"time_zone": "Asia/Tokyo"}))
    platform.session_file.delete()
    assert "(Europe/Berlin)" in platform.run("slots", "--service", "Check-up").stdout
    platform.clock.advance(timedelta(days=1))
    assert "(Asia/Tokyo)" in platform.run("slots", "--service", "Check-up").stdout


@pytest.mark.parametrize("answer", [problem(503, "unavailable"), httpx.Response(200, json={"time_zone": None}), httpx.ReadError("cut")])
def test_a_clinic_that_does_not_say_its_zone_keeps_the_last_known_one_and_has_utc_else(platform: FakePlatform, answer: Any) -> None:
    platform.sign_in()
    platform.answer("GET /appointments", page(an_appointment()))
    platform.answer("GET /clinic", answer)
    platform.clock.advance(timedelta(minutes=30))
    PlatformProfiles(platform.folder).save("default", PlatformProfile(URL, "Asia/Tokyo", "2026-03-01T11:00:00Z"))
    assert "(Asia/Tokyo)" in platform.run("appointments").stdout
    platform.forget_zone()
    ran = platform.run("appointments")
    assert "(UTC)" in ran.stdout
    assert "not known" in ran.stderr


def test_colours_are_for_terminals_without_no_color(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    platform.sign_in()
    platform.answer("GET /appointments", page(an_appointment()))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in platform.run("appointments").stdout, "no terminal"
    monkeypatch.delenv("FORCE_COLOR")
    platform.terminals = OUTPUT_TERMINAL
    assert "\x1b[32mbooked" in platform.run("appointments").stdout
    platform.variables["NO_COLOR"] = "1"
    assert "\x1b[32m" not in platform.run("appointments").stdout


@pytest.mark.parametrize(
    ("width", "shown"), [(130, APPOINTMENT_ID), (90, f" {APPOINTMENT_ID[-8:]} "), (50, f"id                     {APPOINTMENT_ID[:25]}")]
)
def test_a_table_fits_the_terminal(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, width: int, shown: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    platform.terminals = OUTPUT_TERMINAL
    platform.sign_in()
    platform.answer("GET /appointments", page(an_appointment()))
    text = re.sub(r"\x1b\[[0-9;]*m", "", platform.run("appointments").stdout)
    assert shown in text
    assert "Mon 2026-03-09 14:00" in text
    assert max(map(len, text.splitlines())) <= width


def test_a_text_cannot_move_the_cursor_or_turn_the_line_around() -> None:
    assert clean("Mina\x1b[2J \u202eParkand\x07\nline") == "Mina[2J Parkand line"
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # Persian, in which the joiner belongs to the word
    assert clean(joined) == joined
    assert clean("Zoë, 花子") == "Zoë, 花子"


def test_an_empty_list_says_so_to_people_only(platform: FakePlatform) -> None:
    platform.answer("GET /doctors", page())
    assert platform.run("doctors").stdout == "nothing found\n"
    assert platform.run("doctors", "--output", "csv").stdout.splitlines() == [
        "full_name,title,specialties,languages,location,accepting_patients,id"
    ]


def run_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own, in which stdout is a real stream."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, cwd=ROOT, **options)


PRINTING = """
import sys
from pathlib import Path
from careslot.client.columns import DOCTOR
from careslot.client.environment import ClientEnvironment, Terminals
from careslot.client.options import OutputForm
from careslot.client.output import Printer
form, is_terminal = sys.argv[1].removesuffix("-terminal"), sys.argv[1].endswith("-terminal")
printer = Printer(OutputForm(form), ClientEnvironment(Path(), Terminals(False, is_terminal, False)), None)
printer.print_list([{"full_name": "Zoë Łuk 花子"}], DOCTOR)
"""


@pytest.mark.parametrize("form", ["table", "table-terminal", "json", "csv"])
def test_an_output_that_cannot_encode_a_name_is_no_error(form: str) -> None:
    ran = run_process("-c", PRINTING, form, env={"PYTHONIOENCODING": "ascii"})
    assert (ran.returncode, ran.stderr) == (0, b"")
    ran.stdout.decode("ascii")
    if form == "json":
        assert json.loads(ran.stdout)["items"][0]["full_name"] == "Zoë Łuk 花子"


def test_a_reader_that_closes_the_pipe_is_no_error() -> None:
    script = f"""
import io, sys
from pathlib import Path
import httpx
from careslot.cli import app
from careslot.client.environment import ClientEnvironment, Terminals
answer = {{"items": [{DOCTOR!r}] * 5000, "next": None}}
transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
environment = ClientEnvironment(Path("/nonexistent"), Terminals(False, False, False), {{}}, transport=transport)
app(["doctors", "--time-zone", "UTC"], obj=environment)
"""
    command = f'{sys.executable} -c "$SCRIPT" | head -1; exit ${{PIPESTATUS[0]}}'
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SCRIPT": script}
    ran = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == 1


def test_the_help_and_the_client_load_no_service_and_no_server() -> None:
    """A command starts fast only if it does not import what it does not use."""
    script = "import sys, careslot.cli; print(*sys.modules)"
    loaded = set(run_process("-c", script).stdout.decode().split())
    heavy = {"httpx", "fastapi", "starlette", "sqlalchemy", "pydantic", "aiohttp", "uvicorn", "cryptography", "filelock"}
    assert loaded & heavy == set()
    assert [name for name in loaded if name.partition(".")[0].endswith("_svc")] == []


def test_the_default_folder_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from careslot.client.environment import default_environment

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    environment: ClientEnvironment = default_environment()
    assert environment.folder in (tmp_path / "careslot", Path.home() / "Library/Application Support/careslot")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_completion(shell: str) -> None:
    ran = run_process("-m", "careslot", "--show-completion", shell, env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert ran.returncode == 0, ran.stderr
    assert b"_CARESLOT_COMPLETE" in ran.stdout.upper()


def test_a_completion_names_the_commands() -> None:
    environment = {"_CARESLOT_COMPLETE": "complete_bash", "COMP_WORDS": "careslot che", "COMP_CWORD": "1"}
    ran = run_process("-c", "from careslot.cli import app; app(prog_name='careslot')", env=environment)
    assert ran.stdout.decode().split() == ["check", "check-in"]


def test_a_completion_names_the_profiles(tmp_path: Path) -> None:
    for name in ("north", "nowhere", "south"):
        PlatformProfiles(tmp_path / "careslot").save(name, PlatformProfile("https://clinic.example"))
    words = {"_CARESLOT_COMPLETE": "complete_bash", "COMP_WORDS": "careslot doctors --profile no", "COMP_CWORD": "3"}
    ran = run_process("-m", "careslot", env=words | {"XDG_CONFIG_HOME": str(tmp_path)})
    assert ran.stdout.decode().split() == ["north", "nowhere"]


def test_a_password_is_not_shown_on_a_real_terminal(tmp_path: Path) -> None:
    """The terminal is a real one, because only it knows whether it echoes."""
    primary, secondary = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path), "CARESLOT_URL": "http://127.0.0.1:1"}
    arguments = [sys.executable, "-m", "careslot", "login", "--email", "a@clinic.example"]
    child = subprocess.Popen(
        arguments, stdin=secondary, stdout=secondary, stderr=secondary, env=environment, start_new_session=True, close_fds=True
    )
    os.close(secondary)
    shown = _read_until(primary, b"Password: ")
    os.write(primary, b"secret-of-ann\n")
    shown += _read_until(primary, b"\n")  # the terminal has taken the whole line
    child.kill()
    child.wait()
    shown += _read_until(primary, b"the end, which never comes")
    os.close(primary)
    assert b"secret-of-ann" not in shown


def _read_until(descriptor: int, text: bytes) -> bytes:
    """Read from a terminal until a text appears, or the other side has ended."""
    shown = b""
    while text not in shown:
        try:
            shown += os.read(descriptor, 1024)
        except OSError:
            break
    return shown


def test_every_exit_code_is_documented() -> None:
    assert list(EXIT_CODES) == [0, 1, 2, 3, 4, 130]
