"""Doctors, services and free times."""

from __future__ import annotations

from typing import Annotated

import typer

from careslot.client.columns import DOCTOR, SERVICE, SLOT
from careslot.client.commands.lists import DEFAULT_LIMIT, After, All, From, Limit, To, instant_option, print_list, read_list
from careslot.client.failures import UsageFault
from careslot.client.lookup import ANY_DOCTOR
from careslot.client.options import client_command
from careslot.client.session import ClientSession

ServiceName = Annotated[str, typer.Option("--service", help="Name or id of the service.")]
DoctorNames = Annotated[list[str] | None, typer.Option("--doctor", help="Name or id of a doctor; can be repeated.")]
Specialty = Annotated[str | None, typer.Option(help="Only this specialty.")]
Location = Annotated[str | None, typer.Option(help="Only this place.")]
Language = Annotated[str | None, typer.Option(help="Only doctors who speak this language, such as de.")]


def list_doctors(
    session: ClientSession,
    q: Annotated[str | None, typer.Argument(metavar="[WORDS]", help="Words of the name.")] = None,
    specialty: Specialty = None,
    service: Annotated[str | None, typer.Option("--service", help="Only doctors who offer this service (name or id).")] = None,
    location: Location = None,
    language: Language = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
    after: After = None,
) -> None:
    """List the doctors."""
    filters = {
        "q": q,
        "specialty": specialty,
        "location": location,
        "language": language,
        "service_id": session.lookup.service(service) if service else None,
    }
    print_list(session, "/doctors", DOCTOR, filters, limit=limit, everything=everything, after=after)


def list_services(session: ClientSession, limit: Limit = DEFAULT_LIMIT, everything: All = False, after: After = None) -> None:
    """List the services that can be booked."""
    print_list(session, "/services", SERVICE, {}, limit=limit, everything=everything, after=after)


def list_free_times(
    session: ClientSession,
    service: ServiceName,
    doctor: DoctorNames = None,
    earliest: Annotated[bool, typer.Option("--earliest", help="The earliest times of all doctors, the most suitable first.")] = False,
    specialty: Annotated[str | None, typer.Option(help="With --earliest: only this specialty.")] = None,
    location: Annotated[str | None, typer.Option(help="With --earliest: only this place.")] = None,
    language: Annotated[str | None, typer.Option(help="With --earliest: only doctors who speak this language.")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
    after: After = None,
) -> None:
    """List the free times of a service."""
    service_id = session.lookup.service(service)
    names = [] if doctor == [ANY_DOCTOR] else doctor or []
    if earliest and (names or to):
        raise UsageFault("--earliest looks at all doctors from one instant on: leave out --doctor and --to.")
    if not earliest and (specialty or location or language):
        raise UsageFault("--specialty, --location and --language need --earliest.")
    filters = {"specialty": specialty, "location": location, "language": language} if earliest else {}
    doctor_ids = [session.lookup.doctor(name) for name in names]
    times = {"from": instant_option(session, from_)} | ({} if earliest else {"to": instant_option(session, to)})
    path = "/slots/earliest" if earliest else "/slots"
    params = {"service_id": service_id, "doctor_id": doctor_ids or None, **times, **filters}
    items, cursor = read_list(session, path, params, limit=limit, everything=everything, after=after)
    doctor_names = session.lookup.doctor_names((slot["doctor_id"] for slot in items), service_id)
    rows = [slot | {"doctor_name": doctor_names.get(slot["doctor_id"])} for slot in items]
    session.printer.print_list(rows, SLOT, next_cursor=cursor)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "doctors")(list_doctors)
    client_command(app, "services")(list_services)
    client_command(app, "slots")(list_free_times)
