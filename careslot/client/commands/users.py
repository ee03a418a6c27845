"""Users of the clinic, for admins."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from careslot.client.columns import APPOINTMENT, USER
from careslot.client.commands.accounts import Yes
from careslot.client.commands.lists import DEFAULT_LIMIT, After, All, Limit, print_list
from careslot.client.lookup import as_id, choose, plain_name
from careslot.client.options import OutputForm, client_command, client_group
from careslot.client.session import ClientSession

FUTURE = (APPOINTMENT[0], APPOINTMENT[-1])
UserName = Annotated[str, typer.Argument(metavar="USER", help="Name, email address or id.")]


def list_users(
    session: ClientSession,
    role: Annotated[str | None, typer.Option(help="patient, doctor, reception or admin.")] = None,
    status: Annotated[str | None, typer.Option(help="invited, active or disabled.")] = None,
    q: Annotated[str | None, typer.Option("--search", help="Words of the name or the email address.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
    after: After = None,
) -> None:
    """List the users, or, with a command, show and change them."""
    print_list(session, "/admin/users", USER, {"role": role, "status": status, "q": q}, limit=limit, everything=everything, after=after)


def show_user(session: ClientSession, user: UserName) -> None:
    """Show a user."""
    session.printer.print_document(session.api.get(f"/admin/users/{_user_id(session, user)}"), USER)


def add_user(
    session: ClientSession,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Email address, to which the invitation is sent.")],
    role: Annotated[str, typer.Option(help="patient, doctor, reception or admin.")],
    name: Annotated[str, typer.Option(help="Full name.")],
    phone: Annotated[str | None, typer.Option(help="Phone number.")] = None,
    own_zone: Annotated[str | None, typer.Option("--zone", help="Time zone of the user; default: the clinic's.")] = None,
    title: Annotated[str | None, typer.Option(help="Doctors: title, such as Dr.")] = None,
    specialty: Annotated[list[str] | None, typer.Option(help="Doctors: a specialty; can be repeated.")] = None,
    service: Annotated[list[str] | None, typer.Option("--service", help="Doctors: name or id of a service; can be repeated.")] = None,
    location: Annotated[str | None, typer.Option(help="Doctors: where they work.")] = None,
) -> None:
    """Add a user, who gets a mail with an invitation to choose a password."""
    fields: dict[str, Any] = {
        "email": email,
        "role": role,
        "full_name": name,
        "phone": phone,
        "time_zone": own_zone,
        "title": title,
        "specialties": specialty or None,
        "services": [session.lookup.service(offered) for offered in service] if service else None,
        "location": location,
    }
    user = session.api.send("POST", "/admin/users", {field: value for field, value in fields.items() if value is not None})
    session.printer.print_document(user, USER, headline="added and invited")


def disable_user(
    session: ClientSession,
    user: UserName,
    cancel_appointments: Annotated[bool, typer.Option("--cancel-appointments", help="Also cancel the user's future appointments.")] = False,
    yes: Yes = False,
) -> None:
    """Disable a user: the account cannot sign in any more, and a doctor cannot be booked. Says which appointments stay."""
    user_id = _user_id(session, user)
    also = " and cancel all future appointments" if cancel_appointments else ""
    session.confirm(f"Disable {user}{also}?", yes=yes)
    disabled = session.api.send("DELETE", f"/admin/users/{user_id}", appointments="cancel" if cancel_appointments else None)
    session.printer.print_document(disabled, USER, headline="disabled")
    future = disabled.get("future_appointments") or []
    if future and session.printer.form is OutputForm.TABLE:
        session.printer.print_list(future, FUTURE, title="cancelled:" if cancel_appointments else "appointments that stay:")


def enable_user(session: ClientSession, user: UserName) -> None:
    """Enable a disabled user."""
    path = f"/admin/users/{_user_id(session, user)}"
    version = session.api.get(path)["version"]
    session.printer.print_document(session.api.send("PATCH", path, {"status": "active"}, if_match=version), USER, headline="enabled")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = client_group(app, "users")(list_users)
    client_command(group, "show")(show_user)
    client_command(group, "add")(add_user)
    client_command(group, "disable")(disable_user)
    client_command(group, "enable")(enable_user)


def _user_id(session: ClientSession, name: str) -> str:
    """Return the id of a user by name or email address. Raises UsageFault if there is none, AmbiguousName if there are several."""
    if known := as_id(name):
        return known
    matches = session.api.get("/admin/users", q=name, limit=100)["items"]
    for user in matches:
        if user["email"].casefold() == name.casefold():
            return str(user["id"])
    return choose("user", name, matches, plain_name)
