"""The gateway over HTTP: the door, which forwards, and the few routes of its own."""

from gateway_svc.routes import docs, own

routers = (own.router, docs.router)
