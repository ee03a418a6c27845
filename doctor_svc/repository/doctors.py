"""Doctors in SQL: the row, and beside it the words that lists are filtered by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from doctor_svc.domain.doctors import Doctor, Profile
from doctor_svc.domain.refusals import NoSuchDoctor
from doctor_svc.domain.schedules import Schedule
from doctor_svc.ports import DoctorFilter
from doctor_svc.repository.services import beyond, place
from doctor_svc.repository.tables import DOCTORS, WORD_LENGTH, WORDS
from shared.contracts.http import DateOverride, WeeklyWindow
from shared.contracts.text_search import fold_text
from shared.kit.retry import TransactionAborted
from shared.kit.sql import insert_if_absent

PROFILE = [DOCTORS.c[each.name] for each in fields(Profile)]
PLAIN = [each.name for each in fields(Doctor) if each.name not in ("schedule", "specialties", "languages", "services")]


def to_row(doctor: Doctor) -> dict[str, Any]:
    return {name: getattr(doctor, name) for name in PLAIN} | {
        "specialties": list(doctor.specialties),
        "languages": list(doctor.languages),
        "services": [str(service) for service in doctor.services],
        "weekly": [window.model_dump(mode="json") for window in doctor.schedule.weekly],
        "overrides": [override.model_dump(mode="json") for override in doctor.schedule.overrides],
        "schedule_version": doctor.schedule.version,
    }


def from_row(row: Any) -> Doctor:
    weekly, overrides = (
        (WeeklyWindow.model_validate(each) for each in row.weekly),
        (DateOverride.model_validate(each) for each in row.overrides),
    )
    return Doctor(
        **{name: getattr(row, name) for name in PLAIN},
        specialties=tuple(row.specialties),
        languages=tuple(row.languages),
        services=tuple(UUID(service) for service in row.services),
        schedule=Schedule(tuple(weekly), tuple(overrides), row.schedule_version),
    )


async def one(connection: AsyncConnection, doctor_id: UUID, *, lock: bool = False) -> Doctor | None:
    query = select(DOCTORS).where(DOCTORS.c.id == doctor_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return from_row(row) if row else None


async def known(connection: AsyncConnection, doctor_id: UUID, *, lock: bool = False) -> Doctor:
    """One that counts: there is no pending one yet."""
    doctor = await one(connection, doctor_id, lock=lock)
    if doctor is None or doctor.pending:
        raise NoSuchDoctor
    return doctor


async def add(connection: AsyncConnection, doctor: Doctor, at: datetime) -> None:
    if not await insert_if_absent(connection, insert(DOCTORS).values(to_row(doctor) | {"created_at": at})):
        raise TransactionAborted
    await _spell(connection, doctor)


async def save(connection: AsyncConnection, doctor: Doctor) -> None:
    await connection.execute(update(DOCTORS).where(DOCTORS.c.id == doctor.id).values(to_row(doctor)))
    await connection.execute(delete(WORDS).where(WORDS.c.doctor_id == doctor.id))
    await _spell(connection, doctor)


async def drop(connection: AsyncConnection, doctor_id: UUID) -> None:
    gone = await connection.execute(delete(DOCTORS).where(DOCTORS.c.id == doctor_id, DOCTORS.c.pending))
    if gone.rowcount:
        await connection.execute(delete(WORDS).where(WORDS.c.doctor_id == doctor_id))


async def listed(connection: AsyncConnection, wanted: DoctorFilter, limit: int, after: tuple[str, ...] | None) -> list[Profile]:
    """Without their hours, which may be a thousand dates."""
    query = select(*PROFILE).where(DOCTORS.c.active, ~DOCTORS.c.pending).order_by(DOCTORS.c.full_name, DOCTORS.c.id).limit(limit)
    query = query.where(*_bounds(wanted))
    if after is not None:
        query = query.where(beyond(DOCTORS.c.full_name, DOCTORS.c.id, after))
    rows = (row._asdict() for row in await connection.execute(query))
    return [Profile(**row | {"services": list(map(UUID, row["services"]))}) for row in rows]


async def by_id(connection: AsyncConnection, limit: int, after: tuple[str, ...] | None) -> list[Doctor]:
    query = select(DOCTORS).where(~DOCTORS.c.pending).order_by(DOCTORS.c.id).limit(limit)
    if after is not None:
        query = query.where(DOCTORS.c.id > place(after, 1)[0])
    return [from_row(row) for row in await connection.execute(query)]


async def pending(connection: AsyncConnection, before: datetime, limit: int) -> list[Doctor]:
    query = select(DOCTORS).where(DOCTORS.c.pending, DOCTORS.c.created_at < before).limit(limit)
    return [from_row(row) for row in await connection.execute(query)]


def _bounds(wanted: DoctorFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.specialties:
        yield _has(("specialty",), WORDS.c.word.in_([fold_text(each) for each in wanted.specialties]))
    if wanted.services:
        yield _has(("service",), WORDS.c.word.in_([str(each) for each in wanted.services]))
    if wanted.languages:
        yield _has(("language",), or_(*(_in_range(fold_text(each)) for each in wanted.languages)))
    if wanted.location:
        yield _has(("location",), WORDS.c.word.contains(fold_text(wanted.location), autoescape=True))
    for part in fold_text(wanted.text or "").split():
        yield _has(("name", "specialty"), WORDS.c.word.contains(part, autoescape=True))


def _has(kinds: tuple[str, ...], matches: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(WORDS.c.doctor_id == DOCTORS.c.id, WORDS.c.kind.in_(kinds), matches)


def _in_range(language: str) -> ColumnElement[bool]:
    """Basic filtering of RFC 4647, section 3.3.1."""
    return or_(WORDS.c.word == language, WORDS.c.word.startswith(f"{language}-", autoescape=True))


async def _spell(connection: AsyncConnection, doctor: Doctor) -> None:
    words = {(kind, word[:WORD_LENGTH]) for kind, word in _words(doctor)}
    rows = [{"doctor_id": doctor.id, "kind": kind, "word": word} for kind, word in sorted(words)]
    if rows:
        await connection.execute(insert(WORDS), rows)


def _words(doctor: Doctor) -> Iterator[tuple[str, str]]:
    yield "name", fold_text(doctor.full_name)
    yield "location", fold_text(doctor.location or "")
    for kind, values in (("specialty", doctor.specialties), ("language", doctor.languages), ("service", doctor.services)):
        for value in values:
            yield kind, fold_text(str(value))
