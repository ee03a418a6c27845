"""What admin-service refuses to start with in production."""

from __future__ import annotations

import pytest

from admin_svc.settings import AdminSettings
from shared.kit.settings import InvalidSettings

STRONG = "7f3b1e0c9d5a4862bb10c4d7e6f8a915"


@pytest.mark.parametrize(
    ("key", "fault"),
    [(None, "is missing"), ("0123456789abcdef", "is shorter than 32 characters"), (STRONG, "is shared with another setting")],
)
def test_a_weak_key_of_imports_stops_the_start(monkeypatch: pytest.MonkeyPatch, key: str | None, fault: str) -> None:
    monkeypatch.setenv("CARESLOT_ENV", "production")
    monkeypatch.setenv("ADMIN_DATABASE_URL", "mysql+aiomysql://admin@mysql/admin")
    monkeypatch.setenv("ADMIN_CLIENT_SECRET", STRONG)
    if key is not None:
        monkeypatch.setenv("ADMIN_IMPORT_KEY", key)
    with pytest.raises(InvalidSettings, match=f"ADMIN_IMPORT_KEY: {fault}"):
        AdminSettings.read()
