"""The data folder of an embedded installation."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from careslot.folder import Folder, FolderInUse


def test_secrets_are_generated_once_and_only_the_owner_can_read_them(tmp_path: Path) -> None:
    first = Folder(tmp_path / "data").secret("AUTH")
    assert Folder(tmp_path / "data").secret("AUTH") == first
    assert Folder(tmp_path / "data").secret("DOCTOR") != first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "data" / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.lock(), pytest.raises(FolderInUse, match="in use"), Folder(tmp_path).lock():
        pass
    with folder.lock():
        pass
