"""Loading what the rules of availability need, and evaluating it."""

from __future__ import annotations

from datetime import datetime

from scheduling_svc.domain.busy_times import NOT_BUSY
from scheduling_svc.domain.evaluation import SlotEvaluation, SlotRequest, nearest_alternatives
from scheduling_svc.domain.grid import AvailabilityGrid
from scheduling_svc.domain.terms import DoctorTerms, ServiceOffer
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import CalendarReader
from shared.contracts.appointments import OverrideCode
from shared.contracts.grains import Span
from shared.contracts.http import Alternative


async def load_grids(calendar: CalendarReader, offer: ServiceOffer, candidates: Span, viewer: Viewer) -> list[AvailabilityGrid]:
    """Return the grid of every doctor for some starts."""
    service = offer.service
    loaded = await calendar.list_busy_times(service, [doctor.id for doctor in offer.doctors], service.frame(candidates), viewer)
    patient = loaded.get(viewer.patient_id, NOT_BUSY) if viewer.patient_id else NOT_BUSY
    return [AvailabilityGrid.of(service, doctor, candidates, viewer, loaded.get(doctor.id, NOT_BUSY), patient) for doctor in offer.doctors]


async def load_evaluation(
    calendar: CalendarReader, offer: ServiceOffer, starts_at: datetime, viewer: Viewer, *, override: OverrideCode | None = None
) -> SlotEvaluation:
    """Load what one start needs and evaluate it."""
    request = SlotRequest(offer, starts_at, viewer, override)
    doctor_ids = [doctor.id for doctor in offer.doctors]
    return SlotEvaluation.of(request, await calendar.list_busy_times(offer.service, doctor_ids, request.span_to_load, viewer))


async def load_alternatives(calendar: CalendarReader, request: SlotRequest) -> list[Alternative]:
    """Return the free starts nearest to the requested one, for the same patient and the same doctors, in the order of time."""
    grids = await load_grids(calendar, request.offer, request.candidates_for_alternatives, request.viewer)
    return nearest_alternatives(grids, request.start)


async def require_bookable(calendar: CalendarReader, evaluation: SlotEvaluation) -> DoctorTerms:
    """Return the doctor to book; raise the refusal if there is none, with alternatives if it is a conflict."""
    doctor = evaluation.best_doctor()
    if doctor is None:
        raise evaluation.refusal(await load_alternatives(calendar, evaluation.request) if evaluation.is_conflict else [])
    return doctor
