"""Runs the auditor again and again while patients book, move and cancel: `.venv/bin/python -m bench.verify_under_load`.

Five minutes on an embedded installation, and as long on a distributed one if `make servers` started its servers. It prints how many runs
there were, how long they took, how much was changed meanwhile, and how many faults were reported. There must be none.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.platform.audited_clinic import run_verify
from tests.platform.houses import Distributed, Embedded, Platform
from tests.platform.moving_clinic import MovingClinic
from tests.servers import known_urls, use_servers, variable

SERVERS = ("MYSQL", "MONGO", "AMQP")


def measure(name: str, platform: Platform, seconds: float) -> int:
    """Return the number of faults that were reported."""
    faults, durations, waiting = 0, list[float](), 0
    with MovingClinic(platform) as clinic:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            began_at = time.monotonic()
            _, document = run_verify(platform, patience_seconds=10)
            durations.append(time.monotonic() - began_at)
            waiting += len(document["waiting"])
            for fault in document["faults"]:
                print(f"{name}: {fault}")
                faults += 1
    counts = ", ".join(f"{verb} {status}: {count}" for (verb, status), count in sorted(clinic.counts.items()))
    print(f"{name}: {len(durations)} runs of {median(durations):.1f} s (median), {faults} faults, {waiting} findings were under way")
    print(f"{name}: {counts}")
    for fault in clinic.faults:
        print(f"{name}: unexpected answer {fault}")
    return faults + len(clinic.faults)


def main() -> None:
    """Measure each way of running that is possible here. Exits with 1 if anything was reported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--only", choices=("embedded", "distributed"))
    options = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "distributed":
            with Embedded(Path(folder) / "data") as embedded:
                failures += measure("embedded", embedded, options.seconds)
        if options.only != "embedded" and all(known_urls().get(variable(name)) for name in SERVERS):
            use_servers(*SERVERS)
            (Path(folder) / "distributed").mkdir()
            with Distributed(Path(folder) / "distributed") as distributed:
                failures += measure("distributed", distributed, options.seconds)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
