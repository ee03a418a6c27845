"""The bodies of merges."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from pydantic import Field

from patient_svc.domain.merges import Merge, MergePreview
from shared.contracts.values import Instant, ReadModel, RequestModel


class MergePatient(RequestModel):
    """The patient into whom the one in the path is merged."""

    into: UUID


class MovedCountsOut(ReadModel):
    """How much belongs to the other patient after the merge. Visits and entries of every state count."""

    visits: int
    medical_entries: int
    identifiers: int
    guardians: int
    dependants: int


class MergeRefusalOut(ReadModel):
    """Why the merge would be refused: the code and the facts of the problem document."""

    code: str = Field(examples=["visits_overlap"])
    detail: str
    facts: dict[str, Any] = Field(description="What the problem document of this code has beside the common members.")


class MergeOut(ReadModel):
    """A merge, or the preview of one: then `merged_at` is null, and `refusal` says why it would be refused, if it would.

    `filled` names the fields of the other profile that are empty there and not here. `reminders_consent` is among them where the other
    profile gets this one's email and its consent ends, because this patient did not want reminders.
    """

    patient_id: UUID
    into: UUID
    moved: MovedCountsOut
    filled: list[str] = Field(examples=[["phone"]])
    merged_at: Instant | None
    refusal: MergeRefusalOut | None

    @classmethod
    def of(cls, outcome: Merge | MergePreview) -> Self:
        """Return the response for a merge or a preview."""
        if isinstance(outcome, Merge):
            ids, merged_at, refusal = (outcome.patient_id, outcome.into_id), outcome.merged_at, None
            moved, filled = outcome.moved, list(outcome.filled)
        else:
            plan, merged_at, refusal = outcome.plan, None, outcome.refusal
            ids, moved, filled = (plan.source.id, plan.target.id), plan.moved, list(plan.filled)
        return cls(
            patient_id=ids[0],
            into=ids[1],
            moved=MovedCountsOut.model_validate(moved),
            filled=filled,
            merged_at=merged_at,
            refusal=MergeRefusalOut(code=refusal.code, detail=refusal.detail, facts=refusal.facts) if refusal else None,
        )
