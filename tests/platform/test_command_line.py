"""A receptionist's morning through the command line, against the running platform."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.platform.accounts import (
    PASSWORD,
    create_doctor,
    create_receptionist,
    create_service_type,
    sign_in_admin,
    unique_name,
    zone_of_late_morning,
)
from tests.platform.houses import ADMIN, Platform, Process, wait_until

ROOT = Path(__file__).parents[2]


class CommandLine:
    """Runs `careslot` in processes of its own, with a folder for its sessions and the options that every command gets."""

    def __init__(self, platform: Platform, folder: Path, time_zone: str) -> None:
        self.options = ("--url", platform.url, "--time-zone", time_zone)
        self.environment = {"XDG_CONFIG_HOME": str(folder), "PYTHONPATH": str(ROOT), "HOME": str(folder)}

    def run(self, *arguments: str, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command. Asserts its exit code."""
        command = [sys.executable, "-m", "careslot", *self.options, *arguments]
        ran = subprocess.run(command, env=os.environ | self.environment, input=stdin, capture_output=True, text=True, cwd=ROOT)
        assert ran.returncode == code, f"{arguments}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran

    def json(self, *arguments: str) -> Any:
        """Run a command with --json, and return what it prints."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def sign_in(self, email: str, password: str, profile: str = "default") -> None:
        self.run("login", "--email", email, "--password-stdin", "--profile", profile, stdin=f"{password}\n")


@pytest.fixture
def command_line(platform: Platform, tmp_path: Path) -> CommandLine:
    """The command line of a receptionist who is signed in; the admin is signed in with the profile `admin`."""
    desk = create_receptionist(sign_in_admin(platform))
    line = CommandLine(platform, tmp_path, zone_of_late_morning())
    line.sign_in(desk.account["email"], PASSWORD)
    line.sign_in(ADMIN["email"], ADMIN["password"], profile="admin")
    return line


def test_a_receptionists_morning(platform: Platform, command_line: CommandLine) -> None:
    admin, cli = sign_in_admin(platform), command_line
    service = create_service_type(admin, min_notice_minutes=0)
    name = unique_name("Ada ")
    doctor = create_doctor(admin, service, full_name=name, time_zone=cli.options[3])

    walk_in, regular = unique_name("Wanda "), unique_name("Rolf ")
    assert cli.json("patients", "search", walk_in)["items"] == []
    patient = cli.json("patients", "add", walk_in, "--phone", "+49 30 901820")
    cli.run("patients", "add", regular)
    wait_until(lambda: cli.json("patients", "search", walk_in)["items"] and cli.json("patients", "search", regular)["items"])

    booking = ("book", "--service", service["name"], "--doctor", name)
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat()  # not over when a slow machine comes to the overbooking
    first = cli.json(*booking, "--earliest", "--from", in_an_hour, "--patient", walk_in)
    assert (first["status"], first["patient_id"], first["doctor"]["id"]) == ("booked", patient["id"], doctor.id)
    refused = cli.run(*booking, "--at", first["starts_at"], "--patient", regular, "--json", code=1)
    assert json.loads(refused.stderr)["code"] in ("slot_taken", "not_bookable")
    override = ("--override", "overbook", "--reason", "in pain")
    second = cli.json(*booking, "--at", first["starts_at"], "--patient", regular, *override)
    assert (second["starts_at"], second["overridden"]["by"]["role"]) == (first["starts_at"], "reception")

    assert cli.json("check-in", walk_in)["status"] == "checked_in"
    later = (datetime.fromisoformat(first["starts_at"]) + timedelta(hours=2)).isoformat()
    moved = cli.json("reschedule", second["id"][:12], "--at", later)
    assert (moved["id"], datetime.fromisoformat(moved["starts_at"])) == (second["id"], datetime.fromisoformat(later))

    table = cli.run("agenda", "--today", "--doctor", name).stdout
    assert [line.split()[-2] for line in table.splitlines() if service["name"] in line] == ["checked_in", "booked"]
    assert cli.options[3] in table
    assert "--yes" in cli.run("cancel", second["id"], code=2).stderr
    assert cli.json("cancel", second["id"], "--yes", "--reason", "called in")["status"] == "cancelled"
    lines = cli.run("agenda", "--today", "--doctor", name, "--output", "csv").stdout.splitlines()
    assert len(lines) == 2
    assert walk_in in lines[1]


def test_a_day_can_be_followed_until_it_is_interrupted(platform: Platform, command_line: CommandLine, tmp_path: Path) -> None:
    admin, cli = sign_in_admin(platform), command_line
    service = create_service_type(admin, min_notice_minutes=0)
    doctor = create_doctor(admin, service, time_zone=cli.options[3])
    patient = cli.json("patients", "add", unique_name("Wanda "))
    booking = ("book", "--service", service["id"], "--doctor", doctor.id, "--patient", patient["id"], "--earliest")
    first = cli.json(*booking)
    log = tmp_path / "watch.log"
    arguments = ("-u", "-m", "careslot", *cli.options, "watch", "--doctor", doctor.id, "--every", "1")
    process = Process(sys.executable, *arguments, environment=cli.environment, log=log)
    process.wait_until(lambda: first["id"] in log.read_text())
    assert cli.json("check-in", first["id"])["status"] == "checked_in"
    process.wait_until(lambda: "checked_in" in log.read_text())
    assert process.end() == 0
    assert [line for line in log.read_text().splitlines() if "Traceback" in line] == []


def test_a_command_of_an_account_that_may_not_is_refused(command_line: CommandLine) -> None:
    refused = command_line.run("users", "--json", code=1)
    assert json.loads(refused.stderr)["status"] == 403
    assert refused.stdout == ""
    assert command_line.run("whoami", "--profile", "nobody", code=3).stdout == ""


def test_scripts_that_run_at_once_share_one_session(command_line: CommandLine, tmp_path: Path) -> None:
    """A refresh token that is used twice ends the session, so only one of the processes may use it."""
    (file,) = (tmp_path / "careslot" / "sessions").glob("default-*.json")
    for _ in range(2):
        stored = json.loads(file.read_text())
        file.write_text(json.dumps(stored | {"expires_at": "2020-01-01T00:00:00Z"}))
        with ThreadPoolExecutor() as pool:
            roles = list(pool.map(lambda _number: command_line.json("whoami")["account"]["role"], range(4)))
        assert roles == ["reception"] * 4
        assert json.loads(file.read_text())["refresh_token"] != stored["refresh_token"]


def test_an_api_client_uses_the_command_line_with_its_secret(platform: Platform, command_line: CommandLine) -> None:
    admin, cli = sign_in_admin(platform), command_line
    service = create_service_type(admin)
    doctor, patient = create_doctor(admin, service), cli.json("patients", "add", unique_name("Wanda "))
    scopes = ["appointments:read", "appointments:write"]
    client = admin.request("POST", "/auth/clients", {"name": f"Script {uuid4().hex[:8]}", "scopes": scopes}, status=201)
    cli.environment |= {"CARESLOT_CLIENT_SECRET": client["secret"], "CARESLOT_PROFILE": "script"}
    cli.run("login", "--client-id", client["id"])
    booked = cli.json("book", "--service", service["name"], "--doctor", doctor.id, "--patient", patient["id"], "--earliest")
    assert (booked["status"], booked["booked_by"]["role"]) == ("booked", "client")
    assert [item["id"] for item in cli.json("appointments", "--patient", patient["id"])["items"]] == [booked["id"]]
    assert json.loads(cli.run("users", "--json", code=1).stderr)["status"] == 403
