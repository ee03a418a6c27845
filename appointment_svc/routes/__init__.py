"""The routes of appointment-service."""

from appointment_svc.routes import actions, appointments, internal, internal_history, internal_notifications, visit_links

routers = (appointments.router, actions.router, internal.router, internal_history.router, internal_notifications.router, visit_links.router)
