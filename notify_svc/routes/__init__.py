"""The routes of notification-service."""

from notify_svc.routes import webhooks

routers = (webhooks.router,)
