"""The routes of auth-service."""

from auth_svc.routes import api_clients, identity, internal, oauth

routers = (identity.router, api_clients.router, oauth.token_router, oauth.router, internal.router)
