"""Patients, for the front desk."""

from __future__ import annotations

from typing import Annotated

import typer

from careslot.client.columns import DUPLICATE, PATIENT
from careslot.client.commands.lists import DEFAULT_LIMIT, After, All, Limit, print_list
from careslot.client.options import OutputForm, client_command
from careslot.client.session import ClientSession


def search_patients(
    session: ClientSession,
    words: Annotated[str, typer.Argument(metavar="WORDS", help="Name, phone, day of birth, email address or identifier.")],
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
    after: After = None,
) -> None:
    """Search patients."""
    print_list(session, "/patients", PATIENT, {"q": words}, limit=limit, everything=everything, after=after)


def add_patient(
    session: ClientSession,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Full name.")],
    phone: Annotated[str | None, typer.Option(help="Phone number.")] = None,
    born_on: Annotated[str | None, typer.Option(help="Day of birth, such as 1984-02-06.")] = None,
    email: Annotated[str | None, typer.Option(help="Email address for mails about the visits.")] = None,
) -> None:
    """Add a patient who has no account, such as a walk-in. Says who may be the same person."""
    fields = {"full_name": name, "phone": phone, "born_on": born_on, "email": email}
    patient = session.api.send("POST", "/patients", {field: value for field, value in fields.items() if value is not None})
    session.printer.print_document(patient, PATIENT, headline="added")
    duplicates = patient.get("possible_duplicates") or []
    if duplicates and session.printer.form is OutputForm.TABLE:
        session.printer.print_list(duplicates, DUPLICATE, title="may be the same person as:")


def show_patient(
    session: ClientSession, patient: Annotated[str, typer.Argument(metavar="PATIENT", help="Name or id; `me` is oneself.")]
) -> None:
    """Show a patient's profile."""
    session.printer.print_document(session.api.get(f"/patients/{session.lookup.patient(patient)}"), PATIENT)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Patients: search, add, show.")
    client_command(group, "search")(search_patients)
    client_command(group, "add")(add_patient)
    client_command(group, "show")(show_patient)
    app.add_typer(group, name="patients")
