"""The gateway over HTTP: the middleware that forwards requests to the services, and the routes of the gateway itself."""

from gateway_svc.routes import docs, problems, status

routers = (status.router, problems.router, docs.router)
