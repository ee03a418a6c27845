"""The routes of admin-service; all are for admins only."""

from admin_svc.routes import appointments, audit, users

routers = (users.router, appointments.router, audit.router)
