"""Routes for notification-service: links for mails, and what has changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from appointment_svc.domain.notifying_events import latest_events_to_handle
from appointment_svc.ports import StoredChange
from appointment_svc.routes.dependencies import UseQueries
from appointment_svc.routes.visit_links import UseLinks
from shared.contracts.appointment_changes import AppointmentChange
from shared.contracts.identity import Caller, Service
from shared.contracts.values import Instant
from shared.contracts.visit_links import VisitLinkRequest, VisitLinksOut
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals

router = routes.service_router(prefix="/internal", internal=True)
NotificationService = Annotated[Caller, Depends(require_services(Service.NOTIFICATION))]
Since = Annotated[Instant, Query(alias="from")]


@router.post("/visit-links", response_model=VisitLinksOut)
async def make_visit_links(body: VisitLinkRequest, _caller: NotificationService, visits: UseLinks) -> VisitLinksOut:
    return VisitLinksOut(items=await visits.make_links(body.links))


@router.get("/appointment-changes", response_model=Page[AppointmentChange], responses=refusals(BadCursor))
async def list_changes(_caller: NotificationService, since: Since, paging: Paged, queries: UseQueries) -> Page[AppointmentChange]:
    page = paging.page(await queries.list_changes(since, paging.limit, paging.after), lambda change: change.sort_key)
    return Page(items=[_appointment_change(change) for change in page.items], next=page.next)


def _appointment_change(change: StoredChange) -> AppointmentChange:
    events = latest_events_to_handle(change.cloudevents)
    return AppointmentChange(appointment_id=change.appointment_id, changed_at=change.changed_at, events=events)
