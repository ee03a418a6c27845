"""The routes of scheduling-service."""

from scheduling_svc.routes import internal, slots

routers = (slots.router, internal.router)
