"""A test that lacks a server is skipped before its set-up. Otherwise its fixtures could leave connections open, which fails other tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import SERVERS, UndeclaredServer, server, variable

ROOT = Path(__file__).parents[2]
THREE_WAYS_TO_DECLARE = """
from pathlib import Path
import pytest

@pytest.fixture
async def opened():
    Path("opened").touch()

@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.needs_servers("MONGO"))])
async def back_end(request):
    if request.param == "real":
        Path("opened").touch()

@pytest.mark.needs_servers("MYSQL", "AMQP")
async def test_by_a_mark(opened): ...

async def test_by_a_parameter(back_end): ...

async def test_by_a_fixture(opened, amqp_url): ...
"""


def run_without_servers(folder: Path, **environment: str) -> str:
    """Run the three tests in a separate process in which every server is missing. Returns the output of pytest."""
    (folder / "test_three.py").write_text(THREE_WAYS_TO_DECLARE)
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "tests.conftest", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    missing = {variable(name): "" for name in SERVERS} | {"PYTHONPATH": str(ROOT), "CARESLOT_REQUIRE_SERVERS": ""}
    ran = subprocess.run(command, cwd=folder, env=os.environ | missing | environment, capture_output=True, text=True)
    assert not (folder / "opened").exists(), "set-up ran before the missing server was noticed"
    return ran.stdout


def test_a_test_that_lacks_a_server_is_skipped_before_its_set_up(tmp_path: Path) -> None:
    printed = run_without_servers(tmp_path)
    assert re.search(r"\b1 passed, 3 skipped in ", printed), printed
    assert "needs CARESLOT_TEST_AMQP_URL, CARESLOT_TEST_MYSQL_URL: start the servers with `make servers`" in printed


def test_a_test_that_lacks_a_server_fails_where_servers_are_required(tmp_path: Path) -> None:
    printed = run_without_servers(tmp_path, CARESLOT_REQUIRE_SERVERS="1")
    assert re.search(r"\b1 passed, 3 errors in ", printed), printed


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_a_server_that_the_test_does_not_declare_is_refused_even_where_it_runs(name: str) -> None:
    with pytest.raises(UndeclaredServer, match=rf'needs_servers\("{name}"\)'):
        server(name)


def test_only_tests_servers_py_skips_tests() -> None:
    skip = re.compile(r"\bpytest\.(skip|importorskip)\(|\bimport skip\b")
    skipping = [path for path in (ROOT / "tests").rglob("*.py") if skip.search(path.read_text(encoding="utf-8"))]
    assert [str(path.relative_to(ROOT)) for path in skipping] == ["tests/servers.py"]
