"""The data folder of an embedded clinic."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from careslot.folder import Folder, InUse


def test_secrets_are_made_once_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    first = Folder(tmp_path / "data").secret("AUTH")
    assert Folder(tmp_path / "data").secret("AUTH") == first
    assert Folder(tmp_path / "data").secret("DOCTOR") != first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "data" / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.locked(), pytest.raises(InUse, match="in use"), Folder(tmp_path).locked():
        pass
    with folder.locked():
        pass
