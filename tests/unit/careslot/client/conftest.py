"""The fake platform as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.careslot.client.fake_platform import FakePlatform


@pytest.fixture
def platform(tmp_path: Path) -> FakePlatform:
    """A fake platform at which nobody is signed in."""
    return FakePlatform(tmp_path / "careslot")
