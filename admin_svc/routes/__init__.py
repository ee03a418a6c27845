"""The routes of admin-service: all for admins."""

from admin_svc.routes import appointments, users

routers = (users.router, appointments.router)
