"""The command line `careslot`."""

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
    dev: Annotated[bool, typer.Option("--dev", help="Add the development routes under /dev.")] = False,
    clock: Annotated[str | None, typer.Option(help="With --dev: start the clock at this RFC 3339 instant.")] = None,
) -> None:
    """Run all eight services in one process, with nothing else to install."""
    from careslot.serve import ServeOptions
    from careslot.serve import serve as run

    if clock and not dev:
        raise typer.BadParameter("--clock needs --dev")
    run(ServeOptions(host, port, data, demo, dev, _parse_instant(clock)))


@app.command()
def migrate(service: Annotated[str | None, typer.Option(help="Only this service, such as auth-service.")] = None) -> None:
    """Bring the databases that the environment names up to date."""
    from careslot.operations import migrate_all

    migrate_all(service)


@app.command()
def rotate_keys(
    data: Annotated[
        Path | None, typer.Option(help="Folder of an embedded installation, which must not run: makes a new key there.")
    ] = None,
) -> None:
    """Protect all medical histories with the first key of PATIENT_RECORD_KEYS. The services may run meanwhile."""
    from careslot.record_keys import rotate_configured, rotate_in_folder

    if data is None:
        rotate_configured()
    else:
        rotate_in_folder(data)


@app.command()
def check() -> None:
    """Check configuration and connections. Prints a line per fault; exits with 1 if there is one."""
    from careslot.operations import list_faults

    faults = list_faults()
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo("all is well")


@app.command()
def healthcheck(
    url: Annotated[str, typer.Option(help="Address of a server: the gateway, or one service.")] = "http://127.0.0.1:8000",
) -> None:
    """Print whether a server is ready. Exits with 1 if it runs but is not ready, with 2 if it does not answer."""
    from careslot.healthcheck import DESCRIPTIONS, check_health

    health = check_health(url.rstrip("/"))
    typer.echo(f"{url} {DESCRIPTIONS[health]}")
    raise typer.Exit(health)


rebuild_app = typer.Typer(no_args_is_help=True, help="Rebuild what a service has copied from another one.")
app.add_typer(rebuild_app, name="rebuild")


@rebuild_app.callback()
def rebuild() -> None:
    """Rebuild what a service has copied from another one."""


@rebuild_app.command("history")
def rebuild_history(
    data: Annotated[Path | None, typer.Option(help="Folder of an embedded installation; it may run or not.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds without progress after which to give up.")] = 60.0,
) -> None:
    """Rebuild the booking histories of patients from the appointments, in the database that PATIENT_DATABASE_URL or --data names.

    The product may run meanwhile, and the histories can be read. Exits with 1 if there is no progress: the rebuild then goes on when the
    services run.
    """
    _rebuild("history", data, wait)


@rebuild_app.command("reports")
def rebuild_reports(
    data: Annotated[Path | None, typer.Option(help="Folder of an embedded installation; it may run or not.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds without progress after which to give up.")] = 60.0,
) -> None:
    """Rebuild what the reports count from the appointments, in the database that ADMIN_DATABASE_URL or --data names.

    The product may run meanwhile. Which reminders were sent, and what was noted once a day, stays as it is.
    """
    _rebuild("reports", data, wait)


def _rebuild(name: str, data: Path | None, wait: float) -> None:
    from careslot.rebuild import RebuiltModel, rebuild_configured, rebuild_in_folder

    if data is None:
        rebuild_configured(RebuiltModel(name), wait)
    else:
        rebuild_in_folder(RebuiltModel(name), data, wait)


def _parse_instant(text: str | None) -> datetime | None:
    from pydantic import TypeAdapter, ValidationError

    from shared.contracts.values import Instant

    try:
        return TypeAdapter(Instant).validate_python(text) if text else None
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"]) from None
