"""The bodies of bulk changes of appointments."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from admin_svc.domain.bulk import MAX_ITEMS, BulkAction, BulkItem, BulkRequest, BulkTarget, OutcomeStatus
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.texts import ClinicMessageText, MultiLineText
from shared.contracts.values import Instant, ReadModel, RequestModel, format_instant

MAX_FILTER_IDS = 40
Ids = Annotated[list[UUID], Field(max_length=MAX_FILTER_IDS)]


class SelectedAppointments(RequestModel):
    """The filters of `GET /admin/appointments`. Those that are given must all match; `to` is not included."""

    status: Annotated[list[AppointmentStatus], Field(max_length=20)] | None = None
    doctor_id: Ids | None = None
    patient_id: Ids | None = None
    service_id: Ids | None = None
    begins: Instant | None = Field(default=None, alias="from")
    ends: Instant | None = Field(default=None, alias="to")

    @property
    def query(self) -> dict[str, Any]:
        """The query of appointment-service."""
        ids = {"doctor_id": self.doctor_id, "patient_id": self.patient_id, "service_id": self.service_id}
        period = {"from": self.begins and format_instant(self.begins), "to": self.ends and format_instant(self.ends)}
        return {"status": self.status, **ids, **period}


class MoveOfAppointment(RequestModel):
    """Where one of the appointments is to move, if it is not where `doctor_id` says for all."""

    id: UUID
    starts_at: Instant
    doctor_id: UUID | None = None


class ChangeAppointments(RequestModel):
    """What to do with up to 200 appointments: name them by `ids`, or, to preview it, by a `filter`.

    `cancel` takes a `reason`; `move` a `doctor_id`, `moves`, or both, and a `reason`; `message` a `text`.
    """

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_ITEMS)] | None = None
    filter: SelectedAppointments | None = Field(default=None, description="Only with `dry_run`.")
    action: BulkAction = Field(examples=["cancel"])
    reason: Annotated[MultiLineText, Field(max_length=500)] | None = None
    doctor_id: UUID | None = Field(default=None, description="The doctor to whom all of them move, at the same times.")
    moves: Annotated[list[MoveOfAppointment], Field(max_length=MAX_ITEMS)] | None = Field(
        default=None, description="Other starts for some of the `ids`, such as the proposals of a preview."
    )
    text: ClinicMessageText | None = Field(default=None, description="The message to the patients.")
    dry_run: bool = Field(default=False, description="Only say what would become of each appointment.")

    @model_validator(mode="after")
    def _require_consistent(self) -> ChangeAppointments:
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("ids_or_filter", "Name the appointments by either ids or filter.")
        if self.filter is not None and not self.dry_run:
            raise PydanticCustomError("dry_run_required", "A filter is for a dry run; then send the ids.")
        ids, moved = self.ids or [], [move.id for move in self.moves or []]
        if len(set(ids)) < len(ids) or len(set(moved)) < len(moved) or not set(moved) <= set(ids):
            raise PydanticCustomError("ids_not_unique", "Each id must occur once, and those of moves among ids.")
        has_target = self.doctor_id is not None or bool(self.moves)
        if has_target != (self.action is BulkAction.MOVE):
            raise PydanticCustomError("target_mismatch", "The action move needs doctor_id or moves; other actions have neither.")
        if (self.text is not None) != (self.action is BulkAction.MESSAGE):
            raise PydanticCustomError("text_mismatch", "The action message needs text; other actions have none.")
        return self

    @property
    def target(self) -> BulkTarget:
        """Where all of the appointments move."""
        return BulkTarget(self.doctor_id)

    @property
    def request(self) -> BulkRequest:
        """The request for the use case, without the appointments that a filter names."""
        moves = {move.id: BulkTarget(move.doctor_id or self.doctor_id, move.starts_at) for move in self.moves or ()}
        items = tuple(BulkItem(position, item_id, moves.get(item_id, self.target)) for position, item_id in enumerate(self.ids or ()))
        return BulkRequest(self.action, items, self.reason, self.text)


class ProposedStartOut(ReadModel):
    """The nearest free start of the doctor on the same day."""

    doctor_id: UUID
    starts_at: Instant


class BulkItemOut(ReadModel):
    """What became, or would become, of one appointment. `code` and `detail` say why it was refused."""

    id: UUID
    status: OutcomeStatus = Field(examples=["done"])
    code: str | None = Field(default=None, examples=[None])
    detail: str | None = Field(default=None, examples=[None])
    starts_at: Instant | None = None
    doctor_id: UUID | None = None
    proposal: ProposedStartOut | None = Field(
        default=None, examples=[None], description="In a dry run: where an appointment could move that cannot keep its time."
    )

    @classmethod
    def of(cls, item: BulkItem) -> BulkItemOut:
        """Return the answer about an item."""
        outcome = item.outcome
        proposal = ProposedStartOut.model_validate(outcome.proposal) if outcome.proposal else None
        return cls(
            id=item.id,
            status=outcome.status,
            code=outcome.code,
            detail=outcome.detail,
            starts_at=outcome.starts_at,
            doctor_id=outcome.doctor_id,
            proposal=proposal,
        )


class BulkResultOut(ReadModel):
    """The outcomes, in the order of the request.

    `finished` is false while some are `pending`: read them at the address in `Location`. `complete` is false if a filter matches more
    appointments than are shown.
    """

    id: UUID | None = Field(description="Null for a dry run.")
    action: BulkAction
    dry_run: bool
    finished: bool = Field(examples=[True])
    complete: bool = Field(default=True, examples=[True])
    items: list[BulkItemOut]
