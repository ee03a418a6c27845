"""Making the mail of a message, and handling a failed delivery in the message, the log and the metrics."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from notify_svc.domain.messages import Message, MessageStatus
from notify_svc.ports import (
    DeliveryUnknown,
    EmailRenderer,
    InvalidAddress,
    Mailbox,
    MailDeferred,
    MailRefused,
    MailUnsupported,
    RenderedMail,
)
from notify_svc.usecases.compose import IsForGuardians, MailComposer, NoAddress, Undeliverable
from notify_svc.usecases.current_overrides import CurrentOverrides
from notify_svc.usecases.reminders_check import MessageCheck, Outdated, Postponed
from shared.contracts.refusals import Refusal
from shared.kit.clock import Clock
from shared.kit.logs import log_event


class NotRendered(Exception):
    """The mail could not be made: its template, or the code that collects its content, failed. The argument is the type of the error."""


class SenderDied(Exception):
    """The instance that was sending a message ended before it stored the result."""


REASONS: dict[type[Exception], tuple[str, int]] = {
    Undeliverable: ("no_recipient", logging.INFO),
    Outdated: ("outdated", logging.INFO),
    InvalidAddress: ("invalid_address", logging.ERROR),
    NotRendered: ("not_rendered", logging.ERROR),
    MailUnsupported: ("unsupported", logging.ERROR),
    MailRefused: ("refused", logging.WARNING),
    MailDeferred: ("gave_up", logging.ERROR),
    Refusal: ("gave_up", logging.ERROR),
    DeliveryUnknown: ("unknown", logging.WARNING),
    SenderDied: ("sender_died", logging.WARNING),
    Exception: ("unexpected", logging.ERROR),
}
"""The reason in the metrics and the level in the log, by the first class to which an error belongs."""
TEMPORARY = (MailDeferred, Refusal, SenderDied, Postponed)


@dataclass(frozen=True, slots=True)
class MailDelivery:
    """Makes mails, and decides what a failure means. `count_not_sent` counts the mails that were not sent, by reason."""

    composer: MailComposer
    check: MessageCheck
    renderer: EmailRenderer
    mailbox: Mailbox
    overrides: CurrentOverrides
    now: Clock
    count_not_sent: Callable[[str], None]

    async def prepare(self, message: Message) -> RenderedMail:
        """Return the mail of a message, with the facts of this moment.

        Raises Outdated, Postponed, Undeliverable, InvalidAddress, NotRendered, or the refusal of another service.
        """
        try:
            content = await self.composer.compose(await self.check.refresh(message))
            return self.renderer.render(content, self.now(), await self.overrides.read())
        except (Outdated, Postponed, Undeliverable, IsForGuardians, InvalidAddress, Refusal):
            raise
        except Exception as error:
            raise NotRendered(type(error).__name__) from error

    async def find_guardians(self, message: Message) -> Sequence[UUID]:
        """Return the guardians to whom the message is sent as well, or instead. Raises the refusal of another service."""
        return await self.composer.find_guardians(message)

    def result_of(self, error: Exception, message: Message) -> Message:
        """Return the message after its delivery, or the making of its mail, raised `error`."""
        match error:
            case InvalidAddress():
                return message.mark_failed("no_such_address", self.now())
            case NoAddress() | IsForGuardians() | Outdated():
                return message.skip(str(error), self.now())
            case Undeliverable() | MailUnsupported():
                return message.mark_failed(str(error), self.now())
            case MailRefused():
                return message.mark_failed(f"refused {error}", self.now())
            case MailDeferred():
                return message.defer(f"deferred {error}", self.now())
            case Refusal():
                return message.defer("service_unavailable", self.now())
            case Postponed():
                return message.postpone(error.until, str(error), self.now())
            case NotRendered():
                return message.mark_failed(f"not_rendered {error}", self.now())
            case DeliveryUnknown():
                return message.mark_unknown(f"connection_lost {error}", self.now())
        problem = "sender_died" if isinstance(error, SenderDied) else f"unexpected {type(error).__name__}"
        return message.recover(problem, self.mailbox.repeatable, self.now())

    def report(self, error: Exception, result: Message) -> None:
        """Log and count a mail that was not sent, unless it is queued again after a temporary failure or others get it.

        The log has the lines of the traceback instead of the text of the error, which may contain names and addresses.
        """
        if (result.status is MessageStatus.QUEUED and isinstance(error, TEMPORARY)) or isinstance(error, IsForGuardians):
            return
        reason, level = next(outcome for error_class, outcome in REASONS.items() if isinstance(error, error_class))
        facts: dict[str, object] = {"message_id": result.id, "kind": result.kind, "status": result.status, "problem": result.problem}
        if reason in ("not_rendered", "unexpected"):
            facts["at"] = _traceback_lines(error)
        log_event("mail_not_sent", level, error=None, reason=reason, **facts)
        self.count_not_sent(reason)


def _traceback_lines(error: BaseException) -> list[str]:
    """Return the file names and line numbers in the traceback of an error, or of the error that caused it."""
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
