"""The routes of notification-service: one module per concern."""

from notify_svc.routes import dead_letters, messages, templates, webhooks

routers = (dead_letters.router, messages.router, messages.own_router, templates.router, webhooks.router)
webhook_descriptions = webhooks.webhook_descriptions
