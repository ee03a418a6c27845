"""The routes of admin-service. All are for admins only, but those of the clinic as everybody may know it."""

from admin_svc.routes import appointments, audit, clinic_settings, imports, users

routers = (
    users.router,
    appointments.router,
    audit.router,
    imports.router,
    clinic_settings.router,
    clinic_settings.public_router,
    clinic_settings.internal_router,
)
