"""The routes of admin-service, for admins; those of appointments also for the reception."""

from admin_svc.routes import appointments, audit, users

routers = (users.router, appointments.router, audit.router)
