"""What appointment-service refuses to start with in production."""

from __future__ import annotations

from pathlib import Path

import pytest

from appointment_svc.settings import AppointmentSettings
from shared.contracts.appointments import OverrideCode
from shared.kit.settings import InvalidSettings

STRONG, OTHER = "7f3b1e0c9d5a4862bb10c4d7e6f8a915", "0a9d5a4862bb10c4d7e6f8a9157f3b1e"


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARESLOT_ENV", "production")
    monkeypatch.setenv("APPOINTMENT_DATABASE_URL", "mongodb://mongo/appointment")
    monkeypatch.setenv("APPOINTMENT_CLIENT_SECRET", STRONG)


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        (None, "is missing"),
        ("0123456789abcdef", "is shorter than 32 characters"),
        ("the-secret-of-all-links-of-the-clinic", "is a known or guessable value"),
        (STRONG, "is shared with another setting"),
    ],
)
def test_a_weak_secret_of_links_stops_the_start(monkeypatch: pytest.MonkeyPatch, secret: str | None, fault: str) -> None:
    if secret is not None:
        monkeypatch.setenv("APPOINTMENT_LINK_SECRET", secret)
    with pytest.raises(InvalidSettings, match=f"APPOINTMENT_LINK_SECRET: {fault}"):
        AppointmentSettings.read()


def test_the_secret_of_links_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{OTHER}\n")
    monkeypatch.setenv("APPOINTMENT_LINK_SECRET_FILE", str(tmp_path / "secret"))
    assert AppointmentSettings.read().link_secret == OTHER


def test_the_rules_that_the_reception_may_lift_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AppointmentSettings.from_values(env="test").reception_may_override == ()
    monkeypatch.setenv("APPOINTMENT_RECEPTION_MAY_OVERRIDE", "overbook, off_hours,")
    assert AppointmentSettings.from_values(env="test").reception_may_override == (OverrideCode.OVERBOOK, OverrideCode.OFF_HOURS)


def test_an_unknown_rule_stops_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPOINTMENT_RECEPTION_MAY_OVERRIDE", "overbook,everything")
    with pytest.raises(SystemExit, match=r"^APPOINTMENT_RECEPTION_MAY_OVERRIDE: .*overbook.*$"):
        AppointmentSettings.from_values(env="test")
