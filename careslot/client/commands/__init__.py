"""The commands of the client, by noun. `add_commands` adds them to the command line."""

from __future__ import annotations

import typer

from careslot.client.commands import accounts, appointments, bulk, catalogue, day, imports, messages, patients, raw, reports, users, visits

MODULES = (accounts, catalogue, appointments, visits, day, bulk, patients, users, messages, reports, imports, raw)


def add_commands(app: typer.Typer) -> None:
    """Add all commands of the client, in the order in which the help lists them."""
    for module in MODULES:
        module.add_commands(app)
