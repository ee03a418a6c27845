"""Which messages may be sent again, and their state after that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from notify_svc.domain.messages import UNFINISHED, Message, MessageStatus
from notify_svc.domain.notifications import KINDS_WITH_LINK, MessageKind
from notify_svc.domain.refusals import MessageNotFinished, MessageOutdated, ResentJustNow
from notify_svc.domain.visits import Visit

RESEND_PAUSE = timedelta(minutes=1)
"""A message that was sent again is not sent again within this time, so that a double click sends one mail."""


@dataclass(frozen=True, slots=True)
class Resend:
    """A request to send a message again: its id, the account that made it, and the instant."""

    id: UUID
    by: UUID
    at: datetime


class ResendResult(NamedTuple):
    """The message as it is to be stored, and the new message that repeats it if it was sent before."""

    message: Message
    repetition: Message | None


def resend_message(message: Message, related: Iterable[Message], visit: Visit | None, resend: Resend) -> ResendResult:
    """Return the message, queued again under its own id, or with a repetition under the id of the request if it was sent before.

    `related` are the other messages to the same recipient about the same subject, `visit` is the visit that it is about as it is known
    now. Raise MessageNotFinished, ResentJustNow or MessageOutdated.
    """
    others = list(related)
    _require_finished(message, others)
    if message.resent_at is not None and resend.at < message.resent_at + RESEND_PAUSE:
        raise ResentJustNow(available_again_at=message.resent_at + RESEND_PAUSE)
    if is_outdated(message, others, visit, resend.at):
        raise MessageOutdated
    marked = replace(message, resend_id=resend.id, resent_by=resend.by, resent_at=resend.at)
    if message.status is MessageStatus.SENT:
        return ResendResult(marked, _repetition_of(marked))
    return ResendResult(marked.queue_again(resend.at), None)


def is_outdated(message: Message, others: Iterable[Message], visit: Visit | None, now: datetime) -> bool:
    """Return whether a message is no longer true, because of another one or because of what has happened since."""
    if message.valid_until is not None and message.valid_until <= now:
        return True
    if message.kind is MessageKind.REMINDER:
        return visit is None or not visit.is_booked or visit.starts_at != message.valid_until
    if message.kind in KINDS_WITH_LINK:
        return _has_newer_link(message, others) or datetime.fromisoformat(message.facts["expires_at"]) <= now
    return any(other.replaces(message) for other in others)


def _has_newer_link(message: Message, others: Iterable[Message]) -> bool:
    """Return whether the same account was sent another link later, which ended the one of this message."""
    links = [other for other in others if other.kind in KINDS_WITH_LINK and other.event_id != message.event_id]
    return any(other.created_at > message.created_at for other in links)


def _require_finished(message: Message, others: Iterable[Message]) -> None:
    is_being_repeated = any(other.resent_from == message.id and other.status in UNFINISHED for other in others)
    if message.status in UNFINISHED or is_being_repeated:
        raise MessageNotFinished


def _repetition_of(marked: Message) -> Message:
    """Return a new queued message with the content of one that was sent. Who asked for it and when is marked on both."""
    assert marked.resend_id is not None
    assert marked.resent_at is not None
    return replace(
        marked,
        id=marked.resend_id,
        resent_from=marked.id,
        created_at=marked.resent_at,
        due_at=marked.resent_at,
        status=MessageStatus.QUEUED,
        attempts=0,
        attempts_before_resend=0,
        holder=None,
        taken_at=None,
        handed_over=False,
        sent_at=None,
        problem=None,
        attempt_log=(),
    )
