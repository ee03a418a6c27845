"""The routes of doctor-service."""

from doctor_svc.routes import doctors, internal, schedules, services

routers = (services.router, doctors.router, schedules.router, internal.router)
