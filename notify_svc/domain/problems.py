"""Why a message was not sent: the public codes, and how a stored problem is read.

A stored problem is a code, and a detail after a space: the reply codes of a mail server, or the type of an error. It has no name, no
address and no text of a mail.
"""

from __future__ import annotations

from typing import NamedTuple

PROBLEMS = {
    "no_address": "The recipient has no email address, or no account any more.",
    "account_disabled": "The recipient's account is disabled.",
    "no_such_address": "The recipient's email address cannot be written into a mail.",
    "link_expired": "The link in the mail was used or replaced, or has expired.",
    "refused": "The mail server refused the recipient or the content for good. The detail has its reply codes.",
    "smtputf8_not_supported": "The address needs SMTPUTF8, which the mail server does not offer.",
    "deferred": "The mail server did not accept the mail at that time, or did not answer. The detail has its reply codes.",
    "service_unavailable": "Another service, which knows names and addresses, did not answer, or its answer could not be read.",
    "not_rendered": "The mail could not be made. The detail has the type of the error.",
    "connection_lost": "The mail server did not reply after the content was sent: the mail may have been delivered.",
    "sender_died": "The instance that was sending the message ended.",
    "newer_message": "A newer message about the same appointment was sent first.",
    "sent_to_guardians": "The patient is a dependant: each guardian was sent a message of their own.",
    "no_longer_guardian": "The recipient no longer acts for the patient.",
    "too_late": "The time until which the message made sense was over.",
    "outdated": "The visit was moved, cancelled or has begun, or the day of a digest has no visits any more.",
    "nearer_reminder": "A reminder nearer to the visit was due at the same time and was sent instead.",
    "not_a_recipient": "The recipient no longer gets the reminders of this patient.",
    "not_wanted": "The recipient no longer wants such messages.",
    "quiet_hours": "The recipient has quiet hours. A queued reminder waits for their end; a skipped one would have come too late.",
    "erased": "The data of the recipient were erased.",
    "restored": "The message waited or was being sent when the backup was made from which the data were restored: it may have been sent.",
    "unexpected": "An error that has no code of its own. The detail has its type, or what an older release stored.",
}
"""What each code means. The set is open: later releases add codes."""


class DeliveryProblem(NamedTuple):
    """A public code of PROBLEMS and the detail that was stored with it."""

    code: str | None
    detail: str | None


def read_problem(stored: str | None) -> DeliveryProblem:
    """Return the code and the detail of a stored problem. One without a code, of an older release, is `unexpected`."""
    if stored is None:
        return DeliveryProblem(None, None)
    code, _, detail = stored.partition(" ")
    return DeliveryProblem(code, detail or None) if code in PROBLEMS else DeliveryProblem("unexpected", stored)
