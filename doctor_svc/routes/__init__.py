"""The routes of doctor-service."""

from doctor_svc.routes import internal, services

routers = (services.router, internal.router)
