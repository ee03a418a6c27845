"""The response models of messages. None has the text, an address or a name."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from notify_svc.domain.messages import MessageStatus
from notify_svc.domain.notifications import Audience
from notify_svc.domain.problems import PROBLEMS
from shared.contracts.values import Instant, ReadModel

CODES = " ".join(f"`{code}`: {meaning}" for code, meaning in PROBLEMS.items())
Kind = Annotated[str, Field(description="What the message is about. Later releases add kinds.", examples=["booked"])]
ProblemCode = Annotated[str, Field(description=f"Later releases add codes. {CODES}", examples=["refused"])]
ProblemDetail = Annotated[str, Field(description="Reply codes of the mail server, or the type of an error.", examples=["550 5.1.1"])]
AppointmentId = Annotated[UUID, Field(description="Null for messages that are about no appointment.")]
SentAt = Annotated[Instant, Field(description="When the mail server accepted it.", examples=["2026-03-06T08:15:02Z"])]


class MessageOut(ReadModel):
    """A message to one person, and what became of it. `attempts` counts the attempts to deliver it."""

    id: UUID
    kind: Kind
    audience: Audience
    recipient_id: UUID
    appointment_id: AppointmentId | None
    status: MessageStatus
    problem: ProblemCode | None
    problem_detail: ProblemDetail | None
    attempts: Annotated[int, Field(ge=0, examples=[1])]
    created_at: Instant
    due_at: Annotated[Instant, Field(description="When a queued message is sent next.", examples=["2026-03-06T08:15:00Z"])]
    sent_at: SentAt | None
    resent_from: Annotated[UUID | None, Field(description="The sent message that this one repeats.")]
    resent_by: Annotated[UUID | None, Field(description="The account that last had it sent again.")]
    resent_at: Annotated[Instant, Field(description="When it was last sent again.")] | None


class AttemptOut(ReadModel):
    """One attempt to deliver a message: when it ended, the status that it led to, and why it did not succeed."""

    at: Instant
    status: MessageStatus
    problem: ProblemCode | None
    problem_detail: ProblemDetail | None


class MessageDetailsOut(MessageOut):
    """A message with its last 100 attempts, the earliest first, and the `Message-ID` of its mail."""

    attempt_log: list[AttemptOut]
    internet_message_id: Annotated[
        str,
        Field(
            description="The header `Message-ID` (RFC 5322), by which the mail server's log names the mail.",
            examples=["<01a206b9-ffc9-726c-b520-6c5fbdafecf3@careslot.example>"],
        ),
    ]


class OwnMessageOut(ReadModel):
    """A message that you were sent."""

    id: UUID
    kind: Kind
    appointment_id: AppointmentId | None
    status: Annotated[
        MessageStatus,
        Field(description="`sent`, `unknown` (it may have arrived) or `failed` (it could not be delivered).", examples=["sent"]),
    ]
    created_at: Instant
    sent_at: SentAt | None
