"""The routes of admin-service, for admins; those of appointments and the overview also for the reception."""

from admin_svc.routes import appointments, audit, bulk, reports, users

routers = (users.router, bulk.router, appointments.router, audit.router, reports.router)
