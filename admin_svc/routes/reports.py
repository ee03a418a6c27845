"""The reports over HTTP, as JSON and as CSV."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from admin_svc.domain.report_figures import ReportGroup
from admin_svc.routes.report_responses import UsePaging, overview_response, report_response
from admin_svc.schemas.reports import (
    BookingGroup,
    BookingReportOut,
    LeadTimeGroup,
    LeadTimeReportOut,
    NoShowGroup,
    NoShowReportOut,
    OverviewOut,
    UtilisationGroup,
    UtilisationReportOut,
)
from admin_svc.usecases.reports import ReportRequest, Reports
from shared.contracts.ranges import RangeReversed, RangeTooLong
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import Admin, Staff
from shared.kit.csv_export import CSV_CONTENT
from shared.kit.paging import BadCursor
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/admin/reports", tags=["Administration"])
ReportBounds = tuple[datetime | None, datetime | None]
UseReports = Annotated[Reports, use_case(Reports)]
RESPONSES: dict[int | str, dict[str, Any]] = CSV_CONTENT | refusals(BadCursor, RangeReversed, RangeTooLong)


async def read_period(
    since: Annotated[Instant | None, Query(alias="from", description="Default: 30 days before `to`.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Not included. Default: the end of the clinic's day.")] = None,
) -> ReportBounds:
    """Return the bounds of the period."""
    return since, until


Period = Annotated[ReportBounds, Depends(read_period)]


@router.get(
    "/overview", operation_id="read_overview_report", response_model=OverviewOut, responses=CSV_CONTENT, summary="Count the visits of today"
)
async def read_overview(request: Request, response: Response, _caller: Staff, reports: UseReports) -> Any:
    """The clinic's day until now, and the next free start of each specialty. CSV if `Accept` names `text/csv`."""
    return overview_response(request, response, await reports.overview())


@router.get(
    "/utilisation",
    operation_id="read_utilisation_report",
    response_model=UtilisationReportOut,
    responses=RESPONSES,
    summary="Compare booked with offered minutes",
)
async def read_utilisation(
    request: Request,
    response: Response,
    _caller: Admin,
    reports: UseReports,
    period: Period,
    paging: UsePaging,
    group_by: UtilisationGroup = "doctor",
) -> Any:
    """Minutes of visits that start in the period, and minutes of working hours without leaves and closures, as the hours are now.

    A group session counts once, a visit by `hour` in the hours in which it lies, and an hour of a doctor for each service that they offer.
    """
    wanted = ReportRequest(*period, ReportGroup(group_by))
    return report_response(request, response, await reports.utilisation(wanted), UtilisationReportOut, paging)


@router.get(
    "/no-shows",
    operation_id="read_no_show_report",
    response_model=NoShowReportOut,
    responses=RESPONSES,
    summary="Count the visits that were missed",
)
async def read_no_shows(
    request: Request,
    response: Response,
    _caller: Admin,
    reports: UseReports,
    period: Period,
    paging: UsePaging,
    group_by: NoShowGroup = "service",
) -> Any:
    """Missed visits and those to which the patient came, by service, doctor, days from booking to visit, reminder or confirmation.

    A visit counts as reminded if a reminder was sent for the time that it has now.
    """
    wanted = ReportRequest(*period, ReportGroup(group_by))
    return report_response(request, response, await reports.no_shows(wanted), NoShowReportOut, paging)


@router.get(
    "/bookings",
    operation_id="read_booking_report",
    response_model=BookingReportOut,
    responses=RESPONSES,
    summary="Count the bookings",
)
async def read_bookings(
    request: Request,
    response: Response,
    _caller: Admin,
    reports: UseReports,
    period: Period,
    paging: UsePaging,
    group_by: BookingGroup = "day",
) -> Any:
    """Bookings by the day of the visit, by channel (the booker's role, or `client:` and an id for an API client), or by new and returning
    patients.

    A patient is new at the first visit with the clinic that takes or took place.
    """
    wanted = ReportRequest(*period, ReportGroup(group_by))
    return report_response(request, response, await reports.bookings(wanted), BookingReportOut, paging)


@router.get(
    "/lead-times",
    operation_id="read_lead_time_report",
    response_model=LeadTimeReportOut,
    responses=RESPONSES,
    summary="Measure how long patients wait",
)
async def read_lead_times(
    request: Request,
    response: Response,
    _caller: Admin,
    reports: UseReports,
    period: Period,
    paging: UsePaging,
    group_by: LeadTimeGroup = "service",
) -> Any:
    """Whole days from booking to visit, and days to the third next available appointment, as noted once a day."""
    wanted = ReportRequest(*period, ReportGroup(group_by))
    return report_response(request, response, await reports.lead_times(wanted), LeadTimeReportOut, paging)
