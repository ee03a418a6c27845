"""`make fuzz`: send generated requests to every operation of the OpenAPI document, as each kind of caller.

Schemathesis writes the requests from the document, valid and invalid ones and sequences of them, and checks that every answer is one that
the document describes. The platform runs embedded, with the clinic of the demo. Reports are in the folder `.fuzz`, which can be deleted.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.clients.embedded_server import embedded_server

FOLDER = Path(".fuzz")
CALLERS = ("anonymous", "patient", "doctor", "admin")
EXCLUDED = {"patient": ["erase_me"]}
"""Operations that a caller does not send, because they would delete the account of the run."""
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Sends generated requests to every public operation.")
    parser.add_argument("--callers", nargs="+", choices=CALLERS, default=list(CALLERS), help="who sends the requests (default: all)")
    parser.add_argument("--max-time", type=int, default=120, help="seconds per caller (default: 120)")
    options, arguments = parser.parse_known_args()
    FOLDER.mkdir(exist_ok=True)
    results = [_fuzz_as(caller, options.max_time, arguments) for caller in options.callers]
    return 1 if any(results) else 0


def _fuzz_as(caller: str, max_seconds: int, arguments: list[str]) -> int:
    """Fuzz a new platform as `caller` and return the exit code of Schemathesis. Requests of one caller cannot spoil the run of another."""
    print(f"\n=== {caller}", flush=True)
    log = FOLDER / f"{caller}.log"
    with embedded_server(log, FOLDER / "openapi.json") as target:
        target.document.write_text(httpx.get(f"{target.url}/openapi.json").text)
        environment = os.environ | {"FUZZ_URL": target.url, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"}
        if caller != "anonymous":
            email, password = _credentials(log, caller)
            environment |= {"FUZZ_EMAIL": email, "FUZZ_PASSWORD": password}
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={CONFIGURATION}",
            "run",
            str(target.document),
            f"--url={target.url}",
            f"--max-time={max_seconds}",
            "--report=ndjson",
            f"--report-ndjson-path={FOLDER / f'{caller}.ndjson'}",
            *(f"--exclude-operation-id={operation_id}" for operation_id in EXCLUDED.get(caller, ())),
            *arguments,
        ]
        return subprocess.run(command, env=environment, check=False).returncode


def _credentials(log: Path, role: str) -> tuple[str, str]:
    """Return email and password of the first account of a role, which the demo prints."""
    match = re.search(rf"^demo {role} +(\S+) +(\S+)$", log.read_text(), re.MULTILINE)
    assert match is not None, log.read_text()
    return match[1], match[2]


if __name__ == "__main__":
    sys.exit(main())
