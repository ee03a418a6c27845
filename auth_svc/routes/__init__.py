"""The routes of auth-service."""

from auth_svc.routes import identity, internal, oauth

routers = (identity.router, oauth.token_router, oauth.router, internal.router)
