"""Signing in and out, and the profiles of clinics."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from careslot.client.columns import ACCOUNT, PROFILE
from careslot.client.failures import NotSignedIn, RequestRefused, UsageFault
from careslot.client.options import client_command
from careslot.client.profiles import PlatformProfile, SessionFile, StoredSession
from careslot.client.session import ClientSession
from careslot.client.tokens import SECRET_VARIABLE

LOOPBACK = ("localhost", "127.0.0.1", "::1")
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def login(
    session: ClientSession,
    email: Annotated[str | None, typer.Option(help="Email address of the account; asked for if it is missing.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, and a one-time code from its second line.")
    ] = False,
    client_id: Annotated[str | None, typer.Option(help=f"Sign in an API client, whose secret stands in {SECRET_VARIABLE}.")] = None,
) -> None:
    """Sign in, and keep the session for the commands that follow. The password is asked for, and never an option."""
    _warn_without_encryption(session)
    stored = _sign_in_client(session, client_id) if client_id else _sign_in_person(session, email, password_stdin)
    session.profiles.save(session.profile_name, session.profile)
    session.refresh_clinic_zone()
    name = stored.account["full_name"] if stored.account else f"API client {stored.client_id}"
    session.printer.print_sentence(f"signed in at {session.url} as {name}", _description(session, stored))


def logout(
    session: ClientSession,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="End all sessions of the account, also those of other devices.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Also delete the profile.")] = False,
    yes: Yes = False,
) -> None:
    """End the session, and delete its tokens from this machine."""
    stored = session.file.read()
    if stored is None and not forget:
        raise NotSignedIn(f"You are not signed in at {session.url}.")
    if everywhere:
        session.confirm("End all sessions of your account?", yes=yes)
        session.api.send("POST", "/auth/logout-all")
    elif stored and stored.refresh_token:
        session.api.end_session(stored.refresh_token)
    session.file.delete()
    if forget:
        session.profiles.delete(session.profile_name)
    session.printer.print_sentence(f"signed out at {session.url}", {"signed_out": True})


def whoami(session: ClientSession) -> None:
    """Show who is signed in, and where."""
    stored = session.file.read()
    if stored is None:
        raise NotSignedIn(f"You are not signed in at {session.url}. Sign in with `careslot login`.")
    description = _description(session, stored)
    if stored.account:
        description["account"] = session.api.get("/auth/me")
    else:
        _check_client_token(session)
    session.printer.print_document(description | {"time_zone": session.zone.key}, ACCOUNT)


def list_profiles(session: ClientSession) -> None:
    """List the profiles, and who is signed in with each."""
    rows = [
        {"profile": name, "url": profile.url, "time_zone": profile.time_zone, "signed_in_as": _signed_in_as(session, name, profile)}
        for name, profile in sorted(session.profiles.all().items())
    ]
    session.printer.print_list(rows, PROFILE)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "login")(login)
    client_command(app, "logout")(logout)
    client_command(app, "whoami")(whoami)
    client_command(app, "profiles")(list_profiles)


def _sign_in_person(session: ClientSession, email: str | None, password_stdin: bool) -> StoredSession:
    """Sign in with a password, and a one-time code if the account needs one."""
    if not password_stdin and not session.environment.terminals.input:
        raise UsageFault("Without a terminal the password is read with --password-stdin.")
    if email is None:
        if password_stdin:
            raise UsageFault("--password-stdin needs --email.")
        email = str(typer.prompt("Email", err=True))
    password = _read_line() if password_stdin else session.environment.read_secret("Password: ")
    try:
        return session.api.tokens.sign_in(email, password, None)
    except RequestRefused as refusal:
        if refusal.problem_code != "otp_required":
            raise
    code = _read_line() if password_stdin else session.environment.read_secret("One-time code: ")
    return session.api.tokens.sign_in(email, password, code.strip())


def _sign_in_client(session: ClientSession, client_id: str) -> StoredSession:
    secret = session.environment.variables.get(SECRET_VARIABLE)
    if not secret:
        raise UsageFault(f"Set {SECRET_VARIABLE} to the secret of the API client.")
    return session.api.tokens.sign_in_client(client_id, secret)


def _check_client_token(session: ClientSession) -> None:
    """Ask for what every API client may ask for or is refused. Raises NotSignedIn if the token is not accepted."""
    try:
        session.api.get("/appointments", limit=1)
    except RequestRefused as refusal:
        if refusal.status != 403:
            raise


def _read_line() -> str:
    """Return the next line of standard input. Raises UsageFault if there is none."""
    line = sys.stdin.readline()
    if not line.rstrip("\r\n"):
        raise UsageFault("Standard input has no line for the password or the one-time code.")
    return line.rstrip("\r\n")


def _warn_without_encryption(session: ClientSession) -> None:
    parts = urlsplit(session.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        session.printer.print_note(f"Careful: {session.url} is not encrypted. Others in the network can read the password.")


def _signed_in_as(session: ClientSession, name: str, profile: PlatformProfile) -> str | None:
    stored = SessionFile(session.environment.folder, name, profile.url).read()
    if stored is None:
        return None
    return str(stored.account["email"]) if stored.account else stored.client_id


def _description(session: ClientSession, stored: StoredSession) -> dict[str, object]:
    return {"profile": session.profile_name, "url": session.url, "account": stored.account, "client_id": stored.client_id}
