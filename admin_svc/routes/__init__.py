"""The routes of admin-service, for admins; those of appointments also for the reception."""

from admin_svc.routes import appointments, audit, bulk, users

routers = (users.router, bulk.router, appointments.router, audit.router)
