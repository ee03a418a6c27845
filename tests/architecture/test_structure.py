"""The structure of the repository: known modules, imports in one direction, a small kit, a consumer for every topic."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts.events import TOPICS, Event
from tests.architecture.source import ROOT, SERVICES, called_name, nodes, product_files, read, syntax_tree, tracked_files

MODULES = {
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
TOP_LEVEL = set(SERVICES) | {
    "shared", "careslot", "tests", "bench", "deploy", "docs", "compose.yaml", "Dockerfile", "pyproject.toml", "uv.lock", "Makefile",
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE",
}  # fmt: skip
MAX_KIT_LINES = 300
CONTEXT_VARIABLES = {
    ("shared/kit/logs.py", "request_id"),
    ("shared/kit/logs.py", "traceparent"),
    ("shared/kit/deadlines.py", "deadline"),
}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_only_known_modules(service: str) -> None:
    present = {path.parts[1] for path in tracked_files(service)}
    assert {name.removesuffix(".py") for name in present - DATA} <= MODULES
    assert {"__init__.py", "main.py", "settings.py", "wiring.py", "README.md"} <= present


def test_the_top_level_has_only_known_files() -> None:
    top_level = {path.parts[0] for path in tracked_files() if not path.parts[0].startswith(".")}
    assert top_level <= TOP_LEVEL


def test_imports_go_in_one_direction() -> None:
    lint = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout


def test_the_files_of_the_kit_are_small() -> None:
    lines = {str(path): len(read(path).splitlines()) for path in product_files() if path.parts[:2] == ("shared", "kit")}
    assert {path: count for path, count in lines.items() if count >= MAX_KIT_LINES} == {}


def test_only_the_clock_reads_the_time_of_the_machine() -> None:
    reading = re.compile(r"datetime\.(now|utcnow|today)\(|\bdate\.today\(|\btime\.time\(")
    assert [str(path) for path in product_files() if path != Path("shared/kit/clock.py") and reading.search(read(path))] == []


def test_all_csv_is_written_where_no_formula_can_run() -> None:
    writing = re.compile(r"csv\.(writer|DictWriter)\(|import .*\b(DictWriter|writer)\b")
    assert [str(path) for path in product_files() if writing.search(read(path))] == ["shared/kit/csv_text.py"]


def test_only_wiring_imports_adapters() -> None:
    adapter = re.compile(r"^from \w+_svc\.(repository|clients)\b", re.MULTILINE)
    allowed = ("wiring.py", "repository", "clients", "migrations")
    others = [path for path in product_files() if path.parts[0] in SERVICES and path.parts[1] not in allowed]
    assert [str(path) for path in others if adapter.search(read(path))] == []


def test_domain_modules_generate_no_ids() -> None:
    domain = [path for path in product_files() if path.parts[0] in SERVICES and path.parts[1].removesuffix(".py") == "domain"]
    imports = {str(path): set(imported_names(path)) & {"new_id", "uuid4", "uuid7"} for path in domain}
    assert {path: names for path, names in imports.items() if names} == {}


def imported_names(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, and the names that it imports from them."""
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (alias.name for alias in node.names)


def test_context_variables_carry_only_request_id_trace_and_deadline() -> None:
    created = {
        (str(path), variable_name(node)) for path, node in nodes() if isinstance(node, ast.Call) and called_name(node) == "ContextVar"
    }
    assert created == CONTEXT_VARIABLES


def variable_name(call: ast.Call) -> str:
    """Return the name that a ContextVar is given."""
    return str(call.args[0].value) if call.args and isinstance(call.args[0], ast.Constant) else ast.unparse(call)


def test_every_consumer_retries_its_transactions() -> None:
    """The bus calls a handler once; the use case retries its own transactions."""
    unretried = [
        f"{path}: {name}"
        for path in product_files()
        if path.parts[0] in SERVICES and path.parts[1].removesuffix(".py") == "consumers"
        for name in consuming_methods(path)
        if not is_retried(name, path.parts[0])
    ]
    assert unretried == []


def consuming_methods(consumers: Path) -> set[str]:
    """Return the names of the use-case methods to which a module of consumers subscribes."""
    calls = [node for node in ast.walk(syntax_tree(consumers)) if isinstance(node, ast.Call)]
    subscriptions = [call for call in calls if called_name(call) == "subscribe"]
    names = {
        node.attr for call in subscriptions for argument in call.args for node in ast.walk(argument) if isinstance(node, ast.Attribute)
    }
    assert names, f"{consumers} subscribes to nothing"
    return names


def is_retried(name: str, service: str) -> bool:
    """Return whether a use-case method, or a method that it calls, is decorated with `@retry_on_abort`."""
    methods = {
        node.name: node
        for path in product_files()
        if path.parts[0] == service and path.parts[1].removesuffix(".py") == "usecases"
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.AsyncFunctionDef)
    }
    called = {called_name(node) for node in ast.walk(methods[name]) if isinstance(node, ast.Call)}
    candidates = [methods[name], *(methods[other] for other in called & methods.keys())]
    return any(ast.unparse(decorator) == "retry_on_abort" for method in candidates for decorator in method.decorator_list)


def test_every_topic_is_consumed() -> None:
    consuming = [path for path in product_files() if path.stem in ("consumers", "service_runtime") or "consumers" in path.parts]
    consumed = {name for path in consuming for name in re.findall(r"\b[A-Z]\w+", read(path))} - {"Event"}
    assert [topic for topic, event_class in TOPICS.items() if not consumed & names_of(event_class)] == []


def names_of(event_class: type[Event]) -> set[str]:
    """Return the names by which consumers can subscribe to an event: its own and those of its base classes."""
    return {base.__name__ for base in event_class.__mro__ if issubclass(base, Event)}


def test_the_page_of_events_is_up_to_date() -> None:
    assert subprocess.run([sys.executable, "docs/make_events.py", "--check"], cwd=ROOT).returncode == 0


def test_the_catalogue_of_codes_is_up_to_date() -> None:
    assert subprocess.run([sys.executable, "docs/make_problems.py", "--check"], cwd=ROOT).returncode == 0, "run `make docs`"


def test_the_page_about_the_audit_trail_is_up_to_date() -> None:
    assert subprocess.run([sys.executable, "docs/make_audit.py", "--check"], cwd=ROOT).returncode == 0


def test_the_page_of_settings_is_up_to_date() -> None:
    assert subprocess.run([sys.executable, "docs/make_configuration.py", "--check"], cwd=ROOT).returncode == 0


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    assert subprocess.run([sys.executable, "docs/make_cli.py", "--check"], cwd=ROOT).returncode == 0, "run `make docs`"
