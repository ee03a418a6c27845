"""`make clients`: lint the OpenAPI document, generate clients of four languages from it, and make the main journey with each of them.

Beside it, openid-client discovers the token endpoint and gets tokens, the document of the events is validated, and two parsers read the
calendar files of mails.

Every client registers two patients, finds a time, books it, is refused the same time for the second patient, moves the appointment to one
of the alternatives, and cancels it. Tools and generated code are in the folder `.clients`, which can be deleted at any time.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.request
from pathlib import Path

from tests.clients.checks import CHECKS
from tests.clients.embedded_server import PlatformUnderTest, embedded_server
from tests.clients.toolchain import BUILD, CheckFailed, CheckSkipped


def main() -> int:
    parser = argparse.ArgumentParser(prog="make clients", description="Checks the OpenAPI document with linters and generated clients.")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS), help="the checks to run (default: all)")
    parser.add_argument("--document", type=Path, help="a document to use instead of the one that the platform serves")
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    document: Path = options.document or BUILD / "openapi.json"
    with embedded_server(BUILD / "server.log", document.resolve()) as target:
        if options.document is None:
            _fetch_document(target)
        outcomes = [_outcome(name, target) for name in options.only]
    passed, failed, skipped = (outcomes.count(outcome) for outcome in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def _fetch_document(target: PlatformUnderTest) -> None:
    """Save the served document with one line per value, so that the linters name useful line numbers."""
    with urllib.request.urlopen(f"{target.url}/openapi.json") as response:
        target.document.write_text(json.dumps(json.load(response), indent=1))


def _outcome(name: str, target: PlatformUnderTest) -> str:
    """Run a check, print a line about it, and return `passed`, `failed` or `skipped`. In CI a skipped check has failed."""
    started = time.monotonic()
    try:
        outcome, text = "passed", CHECKS[name](target).strip()
    except CheckFailed as failure:
        outcome, text = "failed", str(failure)
    except CheckSkipped as skip:
        outcome, text = "failed" if os.environ.get("CI") else "skipped", str(skip)
    print(f"{name:11} {outcome} in {time.monotonic() - started:.0f} s: {text}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
