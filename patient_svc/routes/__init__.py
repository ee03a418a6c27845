"""The routes of patient-service."""

from patient_svc.routes import dependants, internal, patients, preferences

routers = (patients.router, preferences.router, dependants.router, internal.router)
