"""The public codes and the OpenAPI document change only on purpose: run `make snapshots`, and read the difference before you commit it."""

from __future__ import annotations

import difflib

import pytest

from tests.architecture.snapshots import FOLDER, snapshots

LINES_SHOWN = 80


@pytest.fixture(scope="module")
def current() -> dict[str, str]:
    return snapshots()


@pytest.mark.parametrize("name", ["refusal_codes.json", "openapi.json"])
def test_the_public_api_is_as_the_snapshot_says(name: str, current: dict[str, str]) -> None:
    promised = (FOLDER / name).read_text(encoding="utf-8")
    difference = list(difflib.unified_diff(promised.splitlines(), current[name].splitlines(), "snapshot", "code", lineterm=""))
    shown = "\n".join(difference[:LINES_SHOWN])
    assert not difference, f"{name} differs ({len(difference)} lines); if that is intended, run `make snapshots`\n{shown}"
