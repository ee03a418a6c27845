"""The routes of notification-service: one module per concern."""

from notify_svc.routes import dead_letters

routers = (dead_letters.router,)
