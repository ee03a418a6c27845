"""The refusals that only notification-service raises."""

from __future__ import annotations

from shared.contracts.refusals import Conflict, NotFound, facts


class NoSuchMessage(NotFound):
    """Raised when a message does not exist, or was deleted after the time for which messages are kept."""

    code = "no_such_message"
    detail = "There is no such message."


class MessageNotFinished(Conflict):
    """Raised when the request is to send a message again that is queued or being sent, or whose repetition is."""

    code = "message_not_finished"
    detail = "This message is still waiting or being sent."
    remedy = "Wait until its status is `sent`, `failed`, `unknown` or `skipped`."


class MessageOutdated(Conflict):
    """Raised when the request is to send a message again whose content is no longer true."""

    code = "outdated"
    detail = "This message is outdated: there is a newer one, its link has ended, or the visit has begun or changed."
    remedy = "Send the newest message about the appointment again. Ask for a new link with `POST /auth/password/forgot`."


class ResentJustNow(Conflict):
    """Raised when a message was sent again less than a minute ago. The fact `available_again_at` is when it can be sent again."""

    code = "resent_just_now"
    detail = "This message was sent again less than a minute ago."
    remedy = "Look at its status first, and send it again after `available_again_at` if it is still needed."
    example_facts = facts(available_again_at="2026-03-06T08:16:00Z")


class MessageUnreadable(Conflict):
    """Raised when a newer release stored a message that this one cannot send."""

    code = "message_unreadable"
    detail = "A newer release stored this message; this one cannot send it."
    remedy = "Send it again when the newer release runs."


class NoSuchUnsubscribeLink(NotFound):
    """Raised when the link to end reminders or digests is not one that was mailed."""

    code = "no_such_unsubscribe_link"
    detail = "There is no such link."
    remedy = "Use the link exactly as it is in the mail, or sign in and change your preferences."
