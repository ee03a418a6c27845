"""The log of messages in SQL: lists without content, locking a message to send it again, and deleting old ones."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from notify_svc.domain.messages import FINISHED, MessageStatus
from notify_svc.domain.notifications import KINDS_WITHOUT_APPOINTMENT, Audience
from notify_svc.domain.problems import read_problem
from notify_svc.ports.message_log import LoggedAttempt, LoggedMessage, MessageFilter
from notify_svc.repository.tables import MESSAGES
from shared.kit.keyset_pagination import rows_after
from shared.kit.paging import parse_instant, parse_sort_key

COLUMNS = MESSAGES.c
SORT_COLUMNS = (COLUMNS.created_at, COLUMNS.seq)
SHOWN_NAMES = (
    "seq", "id", "kind", "audience", "recipient_id", "subject_id", "status", "problem", "attempts", "created_at", "due_at", "sent_at",
    "resent_from", "resent_by", "resent_at", "attempt_log",
)  # fmt: skip
SHOWN_COLUMNS = [COLUMNS[name] for name in SHOWN_NAMES]


def logged_from_row(row: Any) -> LoggedMessage:
    """Return the message of a row of SHOWN_COLUMNS, also of a kind that this release does not know."""
    last_problem = read_problem(row.problem)
    return LoggedMessage(
        row=row.seq,
        id=row.id,
        kind=row.kind,
        audience=Audience(row.audience),
        recipient_id=row.recipient_id,
        appointment_id=None if row.kind in KINDS_WITHOUT_APPOINTMENT else row.subject_id,
        status=MessageStatus(row.status),
        problem=last_problem.code,
        problem_detail=last_problem.detail,
        attempts=row.attempts,
        created_at=row.created_at,
        due_at=row.due_at,
        sent_at=row.sent_at,
        resent_from=row.resent_from,
        resent_by=row.resent_by,
        resent_at=row.resent_at,
        attempt_log=tuple(LoggedAttempt(at, status, *read_problem(problem)) for at, status, problem in row.attempt_log),
    )


def matching_messages(wanted: MessageFilter, limit: int, after: tuple[str, ...] | None) -> Select[Any]:
    """Return the query of a page of the list, newest first. Raise BadCursor."""
    query = select(*SHOWN_COLUMNS).order_by(*(column.desc() for column in SORT_COLUMNS)).limit(limit)
    if wanted.statuses:
        query = query.where(COLUMNS.status.in_(wanted.statuses))
    if wanted.kinds:
        query = query.where(COLUMNS.kind.in_(wanted.kinds))
    if wanted.recipient_id is not None:
        query = query.where(COLUMNS.recipient_id == wanted.recipient_id)
    if wanted.appointment_id is not None:
        query = query.where(COLUMNS.subject_id == wanted.appointment_id, COLUMNS.kind.not_in(KINDS_WITHOUT_APPOINTMENT))
    if wanted.created_from is not None:
        query = query.where(COLUMNS.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        query = query.where(COLUMNS.created_at < wanted.created_to)
    if not (wanted.statuses or wanted.kinds or wanted.recipient_id or wanted.appointment_id):
        query = query.with_hint(MESSAGES, "FORCE INDEX (messages_created)", "mysql")  # MariaDB 10.11 sorts the whole table otherwise
    if after is not None:
        created_at, row = parse_sort_key(after, parse_instant, parse_row_number)
        query = query.where(COLUMNS.created_at <= created_at, rows_after(SORT_COLUMNS, (created_at, row), descending=True))
    return query


def parse_row_number(text: str) -> int:
    """Return the number of a row of a sort key. Raise ValueError if it is none that a database can have."""
    number = int(text)
    if not 0 < number < 2**63:
        raise ValueError(text)
    return number


async def list_messages(
    connection: AsyncConnection, wanted: MessageFilter, limit: int, after: tuple[str, ...] | None
) -> list[LoggedMessage]:
    """Return a page of the list. Raise BadCursor."""
    return [logged_from_row(row) for row in await connection.execute(matching_messages(wanted, limit, after))]


async def find_message(connection: AsyncConnection, message_id: UUID) -> LoggedMessage | None:
    """Return a message without its content, or None if there is none."""
    row = (await connection.execute(select(*SHOWN_COLUMNS).where(COLUMNS.id == message_id))).one_or_none()
    return logged_from_row(row) if row is not None else None


def finished_messages(created_before: datetime, limit: int) -> Select[Any]:
    """Return the query of the oldest messages that will not be sent any more."""
    is_old = (COLUMNS.created_at < created_before, COLUMNS.status.in_(FINISHED))
    return select(COLUMNS.seq).where(*is_old).order_by(*SORT_COLUMNS).limit(limit)


async def delete_finished(connection: AsyncConnection, created_before: datetime, limit: int) -> int:
    """Delete up to `limit` messages that will not be sent any more, the oldest first; return how many.

    The status is compared again, because a message may be queued again after it was found.
    """
    numbers = list((await connection.execute(finished_messages(created_before, limit))).scalars())
    if not numbers:
        return 0
    return (await connection.execute(delete(MESSAGES).where(COLUMNS.seq.in_(numbers), COLUMNS.status.in_(FINISHED)))).rowcount
