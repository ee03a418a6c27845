"""Messages that the clinic sent, and the audit trail."""

from __future__ import annotations

from typing import Annotated

import typer

from careslot.client.columns import AUDIT, MESSAGE
from careslot.client.commands.lists import DEFAULT_LIMIT, After, All, From, Limit, To, instant_option, print_list
from careslot.client.failures import UsageFault
from careslot.client.lookup import as_id
from careslot.client.options import client_command, client_group
from careslot.client.session import ClientSession

MessageId = Annotated[str, typer.Argument(metavar="ID", help="Id of the message.")]


def list_messages(
    session: ClientSession,
    status: Annotated[str | None, typer.Option(help="queued, sending, sent, failed, unknown or skipped.")] = None,
    message_kind: Annotated[str | None, typer.Option("--kind", help="Kind, such as booked or reminder.")] = None,
    appointment: Annotated[str | None, typer.Option(help="Id of an appointment.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Id of a recipient.")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
    after: After = None,
) -> None:
    """List the messages that were sent or wait, or, with a command, show one or send it again."""
    filters = {
        "status": status,
        "kind": message_kind,
        "appointment_id": appointment,
        "recipient_id": recipient,
        "from": instant_option(session, from_),
        "to": instant_option(session, to),
    }
    print_list(session, "/admin/messages", MESSAGE, filters, limit=limit, everything=everything, after=after)


def show_message(session: ClientSession, id: MessageId) -> None:
    """Show a message."""
    session.printer.print_document(session.api.get(f"/admin/messages/{_message_id(id)}"), MESSAGE)


def resend_message(session: ClientSession, id: MessageId) -> None:
    """Send a message again."""
    message = session.api.send("POST", f"/admin/messages/{_message_id(id)}/resend")
    session.printer.print_document(message, MESSAGE, headline="is sent again")


def list_audit_lines(
    session: ClientSession,
    actor: Annotated[str | None, typer.Option(help="Id of who did it.")] = None,
    action: Annotated[str | None, typer.Option(help="Action, such as medical_history.read.")] = None,
    subject: Annotated[str | None, typer.Option(help="Id of whose data it was.")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = DEFAULT_LIMIT,
    everything: All = False,
    after: After = None,
) -> None:
    """List the audit trail: who read or changed what, and what was refused."""
    filters = {
        "actor": actor,
        "action": action,
        "subject": subject,
        "from": instant_option(session, from_),
        "to": instant_option(session, to),
    }
    print_list(session, "/admin/audit", AUDIT, filters, limit=limit, everything=everything, after=after)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = client_group(app, "messages")(list_messages)
    client_command(group, "show")(show_message)
    client_command(group, "resend")(resend_message)
    client_command(app, "audit")(list_audit_lines)


def _message_id(text: str) -> str:
    if known := as_id(text):
        return known
    raise UsageFault(f"{text[:100]!r} is not an id. `careslot messages` shows the ids.")
