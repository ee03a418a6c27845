"""Requests to operations that have no command of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from careslot.client.commands.imports import read_file
from careslot.client.failures import UsageFault
from careslot.client.options import OutputForm, client_command
from careslot.client.session import ClientSession

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def call(
    session: ClientSession,
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, PATCH or DELETE.")],
    path: Annotated[str, typer.Argument(help="Path with its query, such as `/closures?limit=5`.")],
    body: Annotated[str | None, typer.Option(help="JSON, or `@FILE`; `@-` is standard input.")] = None,
    if_match: Annotated[str | None, typer.Option(help="Version that the change builds on.")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key; a POST has a random one by default.")] = None,
) -> None:
    """Send a request to any operation of the API, and print the answer as it is."""
    from careslot.client.api import ClientRequest, new_key

    verb = method.upper()
    if verb not in METHODS or not path.startswith("/") or path.startswith("//"):
        raise UsageFault("Give a method and a path, such as `careslot api GET /services`.")
    headers = {"If-Match": f'"{if_match}"'} if if_match else None
    key = key or (new_key() if verb == "POST" else None)
    answer = session.api.send_request(ClientRequest(verb, path, body=_json_body(body), headers=headers, key=key))
    if "json" in answer.headers.get("content-type", "") and session.printer.form is not OutputForm.CSV:
        session.printer.print_json(answer.json())
    elif answer.content:
        session.printer.print_text(answer.text)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    client_command(app, "api")(call)


def _json_body(text: str | None) -> Any:
    """Return the body of a request. Raises UsageFault if it is no JSON, or if its file cannot be read or is too large."""
    if text is None:
        return None
    try:
        return json.loads(read_file(Path(text[1:])) if text.startswith("@") else text)
    except ValueError:
        raise UsageFault("The body is not JSON.") from None
