"""Doctors in SQL: the row, and beside it the words that lists are filtered by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Select

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.refusals import NoSuchDoctor
from doctor_svc.domain.schedules import Schedule
from doctor_svc.ports import DoctorFilter
from doctor_svc.repository.services import place
from doctor_svc.repository.tables import DOCTORS, WORDS
from shared.contracts.http import DateOverride, WeeklyWindow

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
    doctor = await one(connection, doctor_id, lock=lock)
    if doctor is None:
        raise NoSuchDoctor
    return doctor


async def add(connection: AsyncConnection, doctor: Doctor, at: datetime) -> None:
    await connection.execute(insert(DOCTORS).values(to_row(doctor) | {"created_at": at}))
    await _spell(connection, doctor)


async def save(connection: AsyncConnection, doctor: Doctor) -> None:
    await connection.execute(update(DOCTORS).where(DOCTORS.c.id == doctor.id).values(to_row(doctor)))
    await connection.execute(delete(WORDS).where(WORDS.c.doctor_id == doctor.id))
    await _spell(connection, doctor)


async def drop(connection: AsyncConnection, doctor_id: UUID) -> None:
    gone = await connection.execute(delete(DOCTORS).where(DOCTORS.c.id == doctor_id, DOCTORS.c.pending))
    if gone.rowcount:
        await connection.execute(delete(WORDS).where(WORDS.c.doctor_id == doctor_id))


async def listed(connection: AsyncConnection, wanted: DoctorFilter, limit: int, after: tuple[str, ...] | None) -> list[Doctor]:
    query = select(DOCTORS).where(DOCTORS.c.active, ~DOCTORS.c.pending).order_by(DOCTORS.c.full_name, DOCTORS.c.id).limit(limit)
    for kind, values in (("specialty", wanted.specialties), ("language", wanted.languages), ("service", wanted.services)):
        query = _spelling(query, kind, [str(value).casefold() for value in values])
    if wanted.location:
        query = query.where(func.lower(DOCTORS.c.location).contains(wanted.location.lower(), autoescape=True))
    if wanted.text:
        query = query.where(_about(wanted.text.casefold()))
    if after is not None:
        query = query.where(tuple_(DOCTORS.c.full_name, DOCTORS.c.id) > tuple_(*place(after, 2)))
    return [from_row(row) for row in await connection.execute(query)]


async def by_id(connection: AsyncConnection, limit: int, after: tuple[str, ...] | None) -> list[Doctor]:
    query = select(DOCTORS).where(~DOCTORS.c.pending).order_by(DOCTORS.c.id).limit(limit)
    if after is not None:
        query = query.where(DOCTORS.c.id > place(after, 1)[0])
    return [from_row(row) for row in await connection.execute(query)]


async def pending(connection: AsyncConnection, before: datetime, limit: int) -> list[Doctor]:
    query = select(DOCTORS).where(DOCTORS.c.pending, DOCTORS.c.created_at < before).limit(limit)
    return [from_row(row) for row in await connection.execute(query)]


def _spelling(query: Select[Any], kind: str, values: list[str]) -> Select[Any]:
    has = exists().where(WORDS.c.doctor_id == DOCTORS.c.id, WORDS.c.kind == kind, WORDS.c.word.in_(values))
    return query.where(has) if values else query


def _about(text: str) -> Any:
    named = func.lower(DOCTORS.c.full_name).contains(text, autoescape=True)
    skilled = exists().where(WORDS.c.doctor_id == DOCTORS.c.id, WORDS.c.kind == "specialty", WORDS.c.word.contains(text, autoescape=True))
    return or_(named, skilled)


async def _spell(connection: AsyncConnection, doctor: Doctor) -> None:
    rows = [{"doctor_id": doctor.id, "kind": kind, "word": word} for kind, word in sorted(set(_words(doctor)))]
    if rows:
        await connection.execute(insert(WORDS), rows)


def _words(doctor: Doctor) -> Iterator[tuple[str, str]]:
    for kind, values in (("specialty", doctor.specialties), ("language", doctor.languages), ("service", doctor.services)):
        for value in values:
            yield kind, str(value).casefold()[:200]
