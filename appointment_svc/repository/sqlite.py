"""Documents in a SQLite table."""

from __future__ import annotations

import operator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Insert, Select, UnaryExpression, and_, delete, func, insert, or_, select, update
from sqlalchemy.sql.operators import custom_op

from appointment_svc.repository.documents import KEYS, DoctorRow, Document, DocumentQuery, MergedPatientRow, Place
from appointment_svc.repository.tables import APPOINTMENTS as TABLE
from appointment_svc.repository.tables import DOCTORS, JOB_PROGRESS, LINKS, MERGED_PATIENTS, PLACES
from shared.kit.sql import Database, insert_if_absent

COLUMNS = TABLE.c


@dataclass(frozen=True, slots=True)
class SqliteDocuments:
    """The port `Documents` over a table with the JSON document and its query keys."""

    database: Database

    async def insert(self, document: Document) -> bool:
        """Insert a document, with its `link_hashes`, which have a table of their own; return False if its id exists."""
        document = document.copy()
        links = _link_rows({document["id"]: document.pop("link_hashes", [])})
        row = {name: document[name] for name in ("id", "edition", "unsent", *KEYS)} | {"document": document}
        async with self.database.write() as connection:
            if not await insert_if_absent(connection, insert(TABLE).values(row)):
                return False
            if links:
                await connection.execute(_link_insert(), links)
        return True

    async def update(self, document_id: str, row_version: int, changes: Document, entry: Document | None, events: list[str]) -> bool:
        """Set fields and append entry and events, if the document has this row version; return False otherwise."""
        same_row = and_(COLUMNS.id == document_id, COLUMNS.edition == row_version)
        async with self.database.write() as connection:
            stored = await connection.scalar(select(COLUMNS.document).where(same_row))
            if stored is None:
                return False
            document = stored | changes
            document["history"] = stored["history"] + ([entry] if entry else [])
            document["pending_events"] = stored["pending_events"] + events
            row = {name: document[name] for name in ("edition", *KEYS)}
            row |= {"unsent": len(document["pending_events"]), "document": document}
            await connection.execute(update(TABLE).where(same_row).values(row))
        return True

    async def rewrite(self, document_id: str, row_version: int, document: Document, events: list[str]) -> bool:
        """Set fields, the history too, append pending events, and delete the hashes of links, if the document has this row version."""
        same_row = and_(COLUMNS.id == document_id, COLUMNS.edition == row_version)
        async with self.database.write() as connection:
            stored = await connection.scalar(select(COLUMNS.document).where(same_row))
            if stored is None:
                return False
            rewritten = stored | document | {"pending_events": stored["pending_events"] + events}
            row = {name: rewritten[name] for name in ("edition", *KEYS)}
            row |= {"unsent": len(rewritten["pending_events"]), "document": rewritten}
            await connection.execute(update(TABLE).where(same_row).values(row))
            await connection.execute(delete(LINKS).where(LINKS.c.appointment_id == document_id))
        return True

    async def delete_settled(self, ids: list[str], before_us: int) -> int:
        """Delete documents that end before an instant, and that have neither an intent nor pending events; return how many."""
        is_over = and_(COLUMNS.id.in_(ids), COLUMNS.ends_us < before_us, COLUMNS.unsettled_us == 0, COLUMNS.unsent == 0)
        async with self.database.write() as connection:
            deleted = list(await connection.scalars(select(COLUMNS.id).where(is_over)))
            await connection.execute(delete(LINKS).where(LINKS.c.appointment_id.in_(deleted)))
            await connection.execute(delete(TABLE).where(COLUMNS.id.in_(deleted)))
        return len(deleted)

    async def get_many(self, ids: list[str]) -> list[Document]:
        """Return the documents that exist."""
        async with self.database.read() as connection:
            return list(await connection.scalars(select(COLUMNS.document).where(COLUMNS.id.in_(ids))))

    async def list_matching(self, query: DocumentQuery) -> list[Document]:
        """Return the documents of a query, in its order."""
        async with self.database.read() as connection:
            return list(await connection.scalars(_ordered(select(COLUMNS.document).where(*_conditions(query)), query)))

    async def find_by_link(self, link_hash: str) -> Document | None:
        """Return the document with this hash of a link."""
        linked = select(COLUMNS.document).join(LINKS, LINKS.c.appointment_id == COLUMNS.id).where(LINKS.c.hash == link_hash)
        async with self.database.read() as connection:
            document: Document | None = await connection.scalar(linked)
        return document

    async def list_link_hashes(self, ids: list[str]) -> dict[str, list[str]]:
        """Return the hashes of links of the documents that exist, by id."""
        query = select(COLUMNS.id, LINKS.c.hash).join(LINKS, LINKS.c.appointment_id == COLUMNS.id, isouter=True).where(COLUMNS.id.in_(ids))
        hashes: dict[str, list[str]] = {}
        async with self.database.read() as connection:
            for row in await connection.execute(query):
                hashes.setdefault(row.id, []).extend([row.hash] if row.hash else [])
        return hashes

    async def add_link_hashes(self, added: dict[str, list[str]]) -> None:
        """Add hashes of links to documents, in one bulk write."""
        async with self.database.write() as connection:
            await connection.execute(_link_insert(), _link_rows(added))

    async def find_doctor(self, doctor_id: str) -> DoctorRow | None:
        """Return the row of a doctor."""
        async with self.database.read() as connection:
            row = (await connection.execute(select(DOCTORS).where(DOCTORS.c.id == doctor_id))).one_or_none()
        return DoctorRow(**row._mapping) if row else None

    async def save_doctor(self, row: DoctorRow, previous_version: int | None) -> bool:
        """Insert a row, or update it if it still has the previous version; return False otherwise."""
        async with self.database.write() as connection:
            if previous_version is None:
                return await insert_if_absent(connection, insert(DOCTORS).values(asdict(row)))
            unchanged = and_(DOCTORS.c.id == row.id, DOCTORS.c.version == previous_version)
            return bool((await connection.execute(update(DOCTORS).where(unchanged).values(asdict(row)))).rowcount)

    async def list_doctors_to_follow(self, limit: int, after: str) -> list[DoctorRow]:
        """Return rows that are not followed, by id, after the id `after`."""
        changed = select(DOCTORS).where(DOCTORS.c.followed.is_(False), DOCTORS.c.id > after).order_by(DOCTORS.c.id).limit(limit)
        async with self.database.read() as connection:
            return [DoctorRow(**row._mapping) for row in await connection.execute(changed)]

    async def insert_merged_patient(self, row: MergedPatientRow) -> None:
        """Insert a row unless it exists."""
        async with self.database.write() as connection:
            await insert_if_absent(connection, insert(MERGED_PATIENTS).values(asdict(row)))

    async def list_patients_to_follow(self, limit: int, after: str) -> list[MergedPatientRow]:
        """Return rows that are not followed, by id, after the id `after`."""
        columns = MERGED_PATIENTS.c
        merged = select(MERGED_PATIENTS).where(columns.followed.is_(False), columns.id > after).order_by(columns.id).limit(limit)
        async with self.database.read() as connection:
            return [MergedPatientRow(**row._mapping) for row in await connection.execute(merged)]

    async def list_merge_targets(self, patient_ids: list[str]) -> list[str]:
        """Return the ids of the patients into whom these were merged."""
        async with self.database.read() as connection:
            return list(await connection.scalars(select(MERGED_PATIENTS.c.into_id).where(MERGED_PATIENTS.c.id.in_(patient_ids))))

    async def mark_patient_followed(self, patient_id: str) -> None:
        """Set `followed` in the row of a merged patient."""
        async with self.database.write() as connection:
            await connection.execute(update(MERGED_PATIENTS).where(MERGED_PATIENTS.c.id == patient_id).values(followed=True))

    async def find_progress(self, job: str) -> Document | None:
        """Return how far a job has come, or None."""
        async with self.database.read() as connection:
            progress: Document | None = await connection.scalar(select(JOB_PROGRESS.c.progress).where(JOB_PROGRESS.c.name == job))
        return progress

    async def save_progress(self, job: str, progress: Document) -> None:
        """Store how far a job has come."""
        async with self.database.write() as connection:
            await connection.execute(insert(JOB_PROGRESS).prefix_with("OR REPLACE").values(name=job, progress=progress))

    async def list_places(self, patient_id: str) -> dict[int, Place]:
        """Return the places of a patient that were ever taken, by number."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(PLACES).where(PLACES.c.patient_id == patient_id))
            return {row.number: Place(**row._mapping) for row in rows}

    async def take_place(self, place: Place, previous: Place | None) -> bool:
        """Write a place instead of the previous one; return False if another request has taken it since that was read."""
        async with self.database.write() as connection:
            if previous is None:
                return await insert_if_absent(connection, insert(PLACES).values(asdict(place)))
            unchanged = and_(*(PLACES.c[name] == value for name, value in asdict(previous).items()))
            return bool((await connection.execute(update(PLACES).where(unchanged).values(asdict(place)))).rowcount)

    async def list_unsent(self, limit: int, after: str) -> list[tuple[str, list[str]]]:
        """Return ids of documents after the id `after`, in order, with their pending events."""
        unsent = select(COLUMNS.id, COLUMNS.document).where(COLUMNS.unsent > 0, COLUMNS.id > after).order_by(COLUMNS.id).limit(limit)
        async with self.database.read() as connection:
            return [(row.id, row.document["pending_events"]) for row in await connection.execute(unsent)]

    async def mark_sent(self, document_id: str, event: str) -> None:
        """Move a pending event of a document to its published events."""
        async with self.database.write() as connection:
            document = await connection.scalar(select(COLUMNS.document).where(COLUMNS.id == document_id))
            if document is None or event not in document["pending_events"]:
                return
            document["pending_events"].remove(event)
            document["published_events"].append(event)
            row = {"unsent": len(document["pending_events"]), "document": document}
            await connection.execute(update(TABLE).where(COLUMNS.id == document_id).values(row))

    async def delete_sent(self, before_us: int) -> int:
        """Delete published events of documents that have not changed since `before_us`."""
        without_events = func.json_set(COLUMNS.document, "$.published_events", func.json("[]"))
        unchanged = and_(COLUMNS.changed_us < before_us, func.json_array_length(COLUMNS.document, "$.published_events") > 0)
        async with self.database.write() as connection:
            return (await connection.execute(update(TABLE).where(unchanged).values(document=without_events))).rowcount


def _link_insert() -> Insert:
    return insert(LINKS).prefix_with("OR IGNORE")


def _link_rows(hashes: dict[str, list[str]]) -> list[dict[str, str]]:
    return [{"hash": link_hash, "appointment_id": document_id} for document_id in hashes for link_hash in hashes[document_id]]


def _without_index(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the column with a unary plus, so that SQLite does not use an index of this column instead of the one that the query names."""
    return UnaryExpression(column, operator=custom_op("+"))


def _conditions(query: DocumentQuery) -> list[ColumnElement[bool]]:
    columns = {name: COLUMNS[name] if query.index is None else _without_index(COLUMNS[name]) for name in query.among}
    among = [columns[name].in_(values) for name, values in query.among.items()]
    lower = [COLUMNS[name] >= low for name, (low, _) in query.ranges.items() if low is not None]
    upper = [COLUMNS[name] < high for name, (_, high) in query.ranges.items() if high is not None]
    return [*among, *lower, *upper]


def _ordered(statement: Select[Any], query: DocumentQuery) -> Select[Any]:
    key, row_id = COLUMNS[query.order], COLUMNS.id
    if query.after is not None:
        value, last_id = query.after
        beyond = operator.lt if query.descending else operator.gt
        later = beyond(row_id, last_id)
        statement = statement.where(later if query.order == "id" else or_(beyond(key, value), and_(key == value, later)))
    order = (key.desc(), row_id.desc()) if query.descending else (key, row_id)
    return statement.order_by(*order).limit(query.limit)
