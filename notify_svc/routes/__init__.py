"""The routes of notification-service: one module per concern."""

from notify_svc.routes import clinic_messages, dead_letters, doctor_preferences, messages, templates, unsubscribe, webhooks

routers = (
    clinic_messages.router,
    dead_letters.router,
    messages.router,
    messages.own_router,
    messages.internal_router,
    templates.router,
    webhooks.router,
    doctor_preferences.router,
    unsubscribe.router,
)
webhook_descriptions = webhooks.webhook_descriptions
