"""The bodies of imports."""

from __future__ import annotations

from typing import Literal, Self
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from admin_svc.domain.imports import ImportProgress, RowResult, RowStatus
from shared.contracts.pages import Page
from shared.contracts.values import Instant, ReadModel

ImportRowStatus = TypeAliasType("ImportRowStatus", Literal["pending", "creating", "created", "unchanged", "failed"])
ImportStatus = TypeAliasType("ImportStatus", Literal["queued", "running", "done"])
ImportedKind = TypeAliasType("ImportedKind", Literal["doctors", "patients"])


class ImportOut(ReadModel):
    """An import: how many rows it has, and how many of them are done. With `dry_run`, `created` are those that would be created.

    `unchanged` are rows about people who exist already. `finished_at` is null until all rows are done.
    """

    id: UUID
    kind: ImportedKind
    dry_run: bool
    status: ImportStatus
    created_at: Instant
    finished_at: Instant | None
    total: int
    done: int
    created: int
    unchanged: int
    failed: int

    @classmethod
    def of(cls, progress: ImportProgress) -> Self:
        """Return the body that shows an import."""
        imported, counts = progress.imported, progress.counts
        return cls(
            id=imported.id,
            kind=imported.kind.value,
            dry_run=imported.dry_run,
            status=progress.status,
            created_at=imported.created_at,
            finished_at=imported.finished_at,
            total=progress.total,
            done=progress.done,
            created=counts.get(RowStatus.CREATED, 0),
            unchanged=counts.get(RowStatus.UNCHANGED, 0),
            failed=counts.get(RowStatus.FAILED, 0),
        )


class ImportRowOut(ReadModel):
    """What became of the row that begins on `line` of the file; the header is line 1.

    `id` is that of the account and the profile, null where there is none. A failed row has the code, the sentence and the field
    (`pointer`, null if it is not about one) with which the POST of the same fields is refused.
    """

    line: int = Field(examples=[2])
    status: ImportRowStatus
    id: UUID | None
    code: str | None = Field(examples=["email_taken"])
    detail: str | None
    pointer: str | None = Field(examples=["/email"])

    @classmethod
    def of(cls, outcome: RowResult) -> Self:
        """Return the body that shows a row."""
        refusal = outcome.refusal
        exists = outcome.status in (RowStatus.CREATED, RowStatus.UNCHANGED)
        return cls(
            line=outcome.line,
            status=outcome.status.value,
            id=outcome.target_id if exists else None,
            code=refusal and refusal.code,
            detail=refusal and refusal.detail,
            pointer=refusal and refusal.pointer,
        )


class ImportOutcomeOut(ImportOut):
    """An import with a page of its rows, in the order of their lines. `next` is the cursor of the following page, null on the last one."""

    rows: list[ImportRowOut]
    next: str | None

    @classmethod
    def with_rows(cls, progress: ImportProgress, page: Page[RowResult]) -> Self:
        """Return the body that shows an import and some of its rows."""
        return cls(**ImportOut.of(progress).model_dump(), rows=[ImportRowOut.of(outcome) for outcome in page.items], next=page.next)
