"""The routes of notification-service: one module per concern."""

from notify_svc.routes import messages, templates, webhooks

routers = (messages.router, messages.own_router, templates.router, webhooks.router)
webhook_descriptions = webhooks.webhook_descriptions
