"""The routes of appointment-service."""

from appointment_svc.routes import actions, appointments, internal

routers = (appointments.router, actions.router, internal.router)
