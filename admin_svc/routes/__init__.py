"""The routes of admin-service, for admins; appointments and the overview also for the reception, the clinic for all."""

from admin_svc.routes import appointments, audit, bulk, clinic_settings, imports, reports, users

routers = (
    users.router,
    bulk.router,
    appointments.router,
    audit.router,
    reports.router,
    imports.router,
    clinic_settings.router,
    clinic_settings.public_router,
    clinic_settings.internal_router,
)
