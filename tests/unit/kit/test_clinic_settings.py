"""The clinic's settings in every service: what counts, when it is fetched again, and what an outage or a restart leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.clinic import CLINIC_ID, MAX_SETTINGS_AGE, ClinicProfile, ClinicSettings, RetentionPeriods
from shared.contracts.events import SettingsChanged
from shared.contracts.refusals import Unavailable
from shared.kit.clinic_settings import ClinicFollower
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from tests.running import NOON

DEFAULTS = ClinicProfile(name="Careslot Clinic", time_zone="UTC", locale="en", languages=("en",), reminder_offsets_minutes=(1440, 60))
CHANGED = SettingsChanged(id=new_id(), occurred_at=NOON, clinic_id=CLINIC_ID, version=2)


class FakeAdmin:
    """admin-service with settings, and a copy in the own database. With `is_down` it does not answer."""

    def __init__(self) -> None:
        self.copied: ClinicSettings | None = None
        self.settings, self.is_down, self.fetches = ClinicSettings(), False, 0

    async def fetch(self) -> ClinicSettings:
        self.fetches += 1
        if self.is_down:
            raise Unavailable
        return self.settings

    async def read(self) -> ClinicSettings | None:
        return self.copied

    async def store(self, settings: ClinicSettings) -> None:
        self.copied = settings


def a_follower(admin: FakeAdmin) -> tuple[ClinicFollower, MovableClock]:
    clock = MovableClock(NOON, running=False)
    return ClinicFollower(DEFAULTS, admin.fetch, admin, clock), clock


def test_what_is_set_replaces_the_environment_and_the_rest_stays() -> None:
    settings = ClinicSettings(name="Praxis", languages=["de", "en"], retention=RetentionPeriods(records_years=15), version=2)
    clinic = DEFAULTS.with_settings(settings)
    assert (clinic.name, clinic.locale, clinic.languages, clinic.time_zone) == ("Praxis", "de", ("de", "en"), "UTC")
    assert (clinic.reminder_offsets_minutes, clinic.retention.records_years, clinic.retention.audit_years) == ((1440, 60), 15, None)
    assert DEFAULTS.with_settings(ClinicSettings(reminder_offsets_minutes=[])).reminder_offsets_minutes == ()


def test_a_shorter_period_counts_when_no_longer_one_was_set_lately_and_a_longer_one_at_once() -> None:
    def kept_years(now: int | None, *former: int | None) -> int:
        periods = [RetentionPeriods(records_years=years) for years in (now, *former)]
        return DEFAULTS.with_settings(ClinicSettings(retention=periods[0], former_retention=periods[1:])).retention_of("records_years", 10)

    assert (kept_years(None), kept_years(5), kept_years(20)) == (10, 5, 20)
    assert (kept_years(5, 20), kept_years(5, None), kept_years(None, 20), kept_years(30, 20)) == (20, 10, 20, 30)


async def test_settings_are_fetched_again_after_a_minute_and_at_once_after_a_change_was_announced() -> None:
    admin = FakeAdmin()
    follower, clock = a_follower(admin)
    assert (await follower.refresh(), await follower.refresh(), admin.fetches) == (0, 0, 1)
    admin.settings = ClinicSettings(name="Praxis", version=2)
    await follower.announce(CHANGED)
    assert (await follower.refresh(), follower().name) == (1, "Praxis")
    admin.settings = ClinicSettings(name="Other", version=3)
    clock.advance(MAX_SETTINGS_AGE - timedelta(seconds=1))
    assert (await follower.refresh(), follower().name) == (0, "Praxis")
    clock.advance(timedelta(seconds=1))
    assert (await follower.refresh(), follower().name) == (1, "Other")


async def test_a_change_that_is_announced_while_settings_are_fetched_is_fetched_next() -> None:
    admin = FakeAdmin()

    async def fetch_before_the_change() -> ClinicSettings:
        before = await admin.fetch()
        admin.settings = ClinicSettings(name="Praxis", version=2)
        await follower.announce(CHANGED)
        return before

    follower = ClinicFollower(DEFAULTS, fetch_before_the_change, admin, MovableClock(NOON, running=False))
    assert (await follower.refresh(), follower().name) == (0, "Careslot Clinic")
    assert (await follower.refresh(), follower().name) == (1, "Praxis")


async def test_an_outage_changes_nothing_and_a_restart_in_it_uses_the_copy() -> None:
    admin = FakeAdmin()
    follower, clock = a_follower(admin)
    admin.settings = ClinicSettings(name="Praxis", version=2)
    await follower.refresh()
    admin.is_down = True
    clock.advance(timedelta(hours=1))
    with pytest.raises(Unavailable):
        await follower.refresh()
    assert follower().name == "Praxis"
    restarted, _ = a_follower(admin)
    assert restarted() == DEFAULTS
    await restarted.load()
    assert restarted().name == "Praxis"


async def test_a_setting_that_is_not_set_any_more_has_its_default_again() -> None:
    admin = FakeAdmin()
    follower, _ = a_follower(admin)
    admin.settings = ClinicSettings(name="Praxis", version=2)
    await follower.refresh()
    admin.settings = ClinicSettings(version=3)
    await follower.announce(CHANGED)
    await follower.refresh()
    assert follower().name == "Careslot Clinic"


async def test_an_announced_change_is_fetched_even_if_the_clock_was_set_back() -> None:
    admin = FakeAdmin()
    follower, clock = a_follower(admin)
    await follower.refresh()
    clock.advance(-timedelta(days=1))
    admin.settings = ClinicSettings(name="Praxis", version=2)
    assert (await follower.refresh(), follower().name) == (1, "Praxis")
