"""The command line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Careslot books health-care appointments."
)


@app.callback()
def main() -> None:
    """Careslot books health-care appointments."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder for all data.")] = Path("careslot-data"),
    demo: Annotated[bool, typer.Option("--demo", help="Load a small clinic and print its accounts.")] = False,
    dev: Annotated[bool, typer.Option("--dev", help="Add the development aids under /dev.")] = False,
    clock: Annotated[str | None, typer.Option(help="With --dev: start the clock at this RFC 3339 instant.")] = None,
) -> None:
    """All eight services in one process, with nothing else to install."""
    from careslot.serve import Serving
    from careslot.serve import serve as run

    if clock and not dev:
        raise typer.BadParameter("--clock needs --dev")
    run(Serving(host, port, data, demo, dev, _instant(clock)))


@app.command()
def migrate(service: Annotated[str | None, typer.Option(help="Only this service, such as auth-service.")] = None) -> None:
    """Bring the databases of the environment up to date."""
    from careslot.operations import migrate_all

    migrate_all(service)


@app.command()
def check() -> None:
    """Check configuration and connections; one line per fault, exit 1 when there is one."""
    from careslot.operations import faults

    found = faults()
    for line in found:
        typer.echo(line, err=True)
    if found:
        raise typer.Exit(1)
    typer.echo("all is well")


def _instant(text: str | None) -> datetime | None:
    from pydantic import TypeAdapter, ValidationError

    from shared.contracts.values import Instant

    try:
        return TypeAdapter(Instant).validate_python(text) if text else None
    except ValidationError as wrong:
        raise typer.BadParameter(wrong.errors()[0]["msg"]) from None
