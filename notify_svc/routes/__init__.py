"""The routes of notification-service: one module per concern."""

from notify_svc.routes import templates

routers = (templates.router,)
