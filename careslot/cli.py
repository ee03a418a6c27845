"""The command line `careslot`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from careslot.client.commands import add_commands
from careslot.client.options import (
    CommonOptions,
    FormOption,
    JsonOption,
    MaxWaitOption,
    ProfileOption,
    TimeoutOption,
    UrlOption,
    ZoneOption,
    add_options,
    require_used_options,
)

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Careslot books health-care appointments.")

# The commands that do not use the API, and which of the common options each of them has.
USED_OPTIONS: dict[str, tuple[str, ...]] = {
    "serve": (),
    "migrate": (),
    "rotate-keys": (),
    "check": ("as_json", "output"),
    "healthcheck": ("url", "as_json", "output"),
    "verify": ("as_json", "output"),
    "backup": (),
    "restore": (),
    "repeat-erasures": (),
    "rebuild": (),
}
DEFAULT_GATEWAY_URL = "http://127.0.0.1:8000"


def _print_version(is_given: bool) -> None:
    if is_given:
        from importlib.metadata import version

        typer.echo(f"careslot {version('careslot')}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    profile: ProfileOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
    output: FormOption = None,
    time_zone: ZoneOption = None,
    timeout: TimeoutOption = None,
    max_wait: MaxWaitOption = None,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")] = False,
) -> None:
    """Careslot books health-care appointments."""
    options = CommonOptions(profile, url, as_json, output, time_zone, timeout, max_wait)
    if (used := USED_OPTIONS.get(context.invoked_subcommand or "")) is not None:
        require_used_options(options, used)
    add_options(context, options)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder for all data.")] = Path("careslot-data"),
    demo: Annotated[bool, typer.Option("--demo", help="Load a small clinic and print its accounts.")] = False,
    dev: Annotated[bool, typer.Option("--dev", help="Add the development routes under /dev.")] = False,
    clock: Annotated[str | None, typer.Option(help="With --dev: start the clock at this RFC 3339 instant.")] = None,
    erasures: Annotated[
        Path | None, typer.Option(help="List of erased patients, for a restore. Default: DIR.erasures; best on another disk.")
    ] = None,
) -> None:
    """Run all eight services in one process, with nothing else to install."""
    from careslot.serve import ServeOptions
    from careslot.serve import serve as run

    if clock and not dev:
        raise typer.BadParameter("--clock needs --dev")
    run(ServeOptions(host, port, data, demo, dev, _parse_instant(clock), erasures))


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
def check(context: typer.Context, as_json: JsonOption = False, output: FormOption = None) -> None:
    """Check configuration and connections. Prints a line per fault, or `{"faults": [...], "warnings": [...]}`.

    Exits with 1 if there is a fault. A warning, such as a database user who may change the audit trail, is a line, too, and no fault.
    """
    from careslot.operations import list_faults, list_warnings

    is_json = add_options(context, CommonOptions(as_json=as_json, output=output)).options.is_json_or_text()
    faults = list_faults()
    warnings = list_warnings()
    if is_json:
        typer.echo(json.dumps({"faults": faults, "warnings": warnings}))
    for line in [] if is_json else (*faults, *(f"warning: {warning}" for warning in warnings)):
        typer.echo(line, err=True)
    if faults:
        raise typer.Exit(1)
    if not is_json:
        typer.echo("all is well")


@app.command()
def healthcheck(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(help=f"Address of a server: the gateway, or one service. Default: {DEFAULT_GATEWAY_URL}.")
    ] = None,
    as_json: JsonOption = False,
    output: FormOption = None,
) -> None:
    """Print whether a server is ready. Exits with 1 if it runs but is not ready, with 2 if it does not answer."""
    from careslot.healthcheck import DESCRIPTIONS, check_health

    options = add_options(context, CommonOptions(url=url, as_json=as_json, output=output)).options
    address = (options.url or DEFAULT_GATEWAY_URL).rstrip("/")
    is_json, health = options.is_json_or_text(), check_health(address)
    typer.echo(json.dumps({"url": address, "health": health.name.lower()}) if is_json else f"{address} {DESCRIPTIONS[health]}")
    raise typer.Exit(health)


@app.command()
def verify(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(help="Folder of an embedded installation. Default: what the environment names, or careslot-data.")
    ] = None,
    as_json: JsonOption = False,
    output: FormOption = None,
    repair_plan: Annotated[bool, typer.Option("--repair-plan", help="Say for each fault what an admin can do.")] = False,
    patience: Annotated[float, typer.Option(min=0, max=3600, help="Seconds over which what seems wrong is looked at again.")] = 30.0,
) -> None:
    """Read every store and prove what the product promises. Changes nothing, and the product may run meanwhile.

    Exits with 1 if there is a fault, with a line for each, and with 4 if a store cannot be read. docs/promises.md describes the JSON
    document.
    """
    from careslot.auditor.command import verify as run

    is_json = add_options(context, CommonOptions(as_json=as_json, output=output)).options.is_json_or_text()
    run(data, as_json=is_json, with_repairs=repair_plan, patience_seconds=patience)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The backup to write; it must not exist.")],
    data: Annotated[Path, typer.Option(help="Folder of the embedded installation; it may run or not.")] = Path("careslot-data"),
) -> None:
    """Write all data of an embedded installation into one encrypted file, as they are at one instant.

    The pass phrase is asked for, or read from CARESLOT_BACKUP_PASSPHRASE or the file that CARESLOT_BACKUP_PASSPHRASE_FILE names.
    """
    from careslot.backup.command import backup as run

    run(file, data)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    data: Annotated[Path, typer.Option(help="Folder to restore into; empty, or not there.")] = Path("careslot-data"),
    erasures: Annotated[
        Path | None, typer.Option(help="List of patients who were erased since. Default: the list beside the folder, if there is one.")
    ] = None,
) -> None:
    """Restore a backup. What it has still to send is withheld, because it may have been sent; an admin releases it.

    Exits with 1 and writes nothing if the pass phrase is wrong, the file is damaged or the folder is not empty.
    """
    from careslot.backup.command import restore as run

    run(file, data, erasures)


@app.command("repeat-erasures")
def repeat_erasures(
    file: Annotated[Path, typer.Argument(help="A line for each erased patient, which ends with the id.")],
) -> None:
    """Erase patients again, after the databases of a distributed installation were restored: in that of PATIENT_DATABASE_URL.

    The other services follow when they run.
    """
    from careslot.backup.command import repeat_listed_erasures

    repeat_listed_erasures(file)


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


add_commands(app)


def _parse_instant(text: str | None) -> datetime | None:
    from pydantic import TypeAdapter, ValidationError

    from shared.contracts.values import Instant

    try:
        return TypeAdapter(Instant).validate_python(text) if text else None
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"]) from None
