"""The auditor raises no false alarm while the product works. `bench/verify_under_load.py` does the same for five minutes."""

from __future__ import annotations

from tests.platform.houses import Platform
from tests.platform.moving_clinic import MovingClinic
from tests.platform.test_verify import run_verify

RUNS, CHANGES_PER_RUN = 3, 25


def test_no_false_alarm_under_load(platform: Platform) -> None:
    """Each run of the auditor goes on while at least CHANGES_PER_RUN bookings, moves and cancellations are made."""
    with MovingClinic(platform) as clinic:
        for _ in range(RUNS):
            before = clinic.granted
            while clinic.granted < before + CHANGES_PER_RUN and not clinic.faults:
                code, document = run_verify(platform, patience_seconds=5)
                assert (code, document["faults"]) == (0, [])
    assert clinic.faults == []
    assert {verb for verb, status in clinic.counts if status < 300} == {"book", "move", "cancel"}
