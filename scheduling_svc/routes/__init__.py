"""The routes of scheduling-service."""

from scheduling_svc.routes import calendar, closures, feed, holds, internal, internal_reports, leaves, slots

routers = (
    slots.router,
    holds.router,
    leaves.router,
    closures.router,
    calendar.router,
    feed.router,
    internal.router,
    internal_reports.router,
)
