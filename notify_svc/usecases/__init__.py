"""The use cases of notification-service."""
