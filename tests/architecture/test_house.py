"""The house keeps its shape: known rooms, one-way imports, small kit, every topic with someone who listens."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.contracts.events import TOPICS

ROOT = Path(__file__).parents[2]
SERVICES = ("auth_svc", "patient_svc", "doctor_svc", "scheduling_svc", "appointment_svc", "admin_svc", "notify_svc", "gateway_svc")
ROOMS = {
    "main",
    "settings",
    "wiring",
    "routes",
    "consumers",
    "jobs",
    "schemas",
    "usecases",
    "ports",
    "domain",
    "repository",
    "clients",
    "migrations",
}
DATA = {"templates", "static", "README.md", "__init__.py"}
KEPT_AT_THE_TOP = set(SERVICES) | {
    "shared", "careslot", "tests", "bench", "deploy", "docs", "compose.yaml", "Dockerfile", "pyproject.toml", "uv.lock", "Makefile",
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE",
}  # fmt: skip


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in listed.stdout.splitlines()]


def lines_of(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


def code() -> list[Path]:
    return [path for path in tracked("*.py") if path.parts[0] in {*SERVICES, "shared", "careslot"}]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_only_known_rooms(service: str) -> None:
    found = {path.parts[1] for path in tracked(service)}
    assert {name.removesuffix(".py") for name in found - DATA} <= ROOMS
    assert {"__init__.py", "main.py", "settings.py", "wiring.py", "README.md"} <= found


def test_nothing_unknown_stands_at_the_top() -> None:
    top = {path.parts[0] for path in tracked() if not path.parts[0].startswith(".")}
    assert top <= KEPT_AT_THE_TOP


def test_imports_go_one_way() -> None:
    ran = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def test_shared_stays_small() -> None:
    kit = {path: lines_of(path) for path in code() if path.parts[:2] == ("shared", "kit")}
    assert {str(path): lines for path, lines in kit.items() if lines >= 150} == {}


def test_every_module_opens_with_a_sentence() -> None:
    silent = [str(path) for path in code() if not ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8")))]
    assert silent == []


def test_nothing_asks_the_machine_for_the_time_but_the_clock() -> None:
    asking = re.compile(r"datetime\.(now|utcnow|today)\(|\bdate\.today\(|\btime\.time\(")
    guilty = [
        str(path) for path in code() if path != Path("shared/kit/clock.py") and asking.search((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert guilty == []


def test_only_wiring_imports_adapters() -> None:
    adapter = re.compile(r"^from \w+_svc\.(repository|clients)\b", re.MULTILINE)
    may = ("wiring.py", "repository", "clients", "migrations")
    others = [path for path in code() if path.parts[0] in SERVICES and path.parts[1] not in may]
    assert [str(path) for path in others if adapter.search((ROOT / path).read_text(encoding="utf-8"))] == []


def test_every_topic_is_consumed() -> None:
    consumers = "\n".join(
        (ROOT / path).read_text(encoding="utf-8")
        for path in code()
        if path.stem in ("consumers", "service_runtime") or "consumers" in path.parts
    )
    families = {kind.__name__ for topic in TOPICS.values() for kind in topic.__mro__ if kind.__name__.endswith("Event")}
    heard = set(re.findall(r"\b[A-Z]\w+", consumers))
    unheard = [
        topic
        for topic, kind in TOPICS.items()
        if kind.__name__ not in heard and not ({base.__name__ for base in kind.__mro__} & families & heard - {"Event"})
    ]
    assert unheard == []


def test_the_page_of_events_is_up_to_date() -> None:
    assert subprocess.run([sys.executable, "docs/make_events.py", "--check"], cwd=ROOT).returncode == 0
