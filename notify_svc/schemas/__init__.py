"""The request and response models of notification-service: one module per concern."""
