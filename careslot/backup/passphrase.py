"""The pass phrase of a backup: from the environment, or asked for on the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

VARIABLE = "CARESLOT_BACKUP_PASSPHRASE"
SHORTEST = 12


def read_passphrase(*, is_new: bool) -> str:
    """Return the pass phrase. For a new backup it is asked for twice, and must have SHORTEST characters.

    Raises typer.BadParameter without a terminal and without the variable, or for one that is too short.
    """
    passphrase = _read_configured() or _ask(is_new)
    if is_new and len(passphrase) < SHORTEST:
        raise typer.BadParameter(f"the pass phrase has fewer than {SHORTEST} characters")
    return passphrase


def _read_configured() -> str:
    path = os.environ.get(f"{VARIABLE}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise typer.BadParameter(f"{VARIABLE}_FILE cannot be read: {error.strerror}") from None
    return os.environ.get(VARIABLE, "")


def _ask(is_new: bool) -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{VARIABLE} or {VARIABLE}_FILE is not set, and there is no terminal to ask for the pass phrase")
    return str(typer.prompt("Pass phrase of the backup", hide_input=True, confirmation_prompt=is_new, err=True))
