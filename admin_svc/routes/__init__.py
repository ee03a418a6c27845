"""The routes of admin-service; all are for admins only."""

from admin_svc.routes import appointments, users

routers = (users.router, appointments.router)
