"""The routes of admin-service; all are for admins only, but reception may read the overview."""

from admin_svc.routes import appointments, audit, reports, users

routers = (users.router, appointments.router, audit.router, reports.router)
