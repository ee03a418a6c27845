"""The app of patient-service."""

from __future__ import annotations

from fastapi import FastAPI

from patient_svc import routes
from patient_svc.settings import PatientSettings
from patient_svc.wiring import wire
from shared.kit.app import create_service_app
from shared.kit.overrides import Overrides


def create_app(settings: PatientSettings | None = None, *, overrides: Overrides | None = None) -> FastAPI:
    """Return the service as an ASGI app. Settings that are not given come from the environment, adapters from the settings."""
    return create_service_app(settings or PatientSettings.read(), overrides or Overrides(), wire, *routes.routers)
