"""The routes of doctor-service."""

from doctor_svc.routes import doctors, internal, schedules, service_types

routers = (service_types.router, doctors.router, schedules.router, internal.router)
