"""The routes of patient-service."""

from patient_svc.routes import dependants, guardians, internal, patients, preferences

routers = (patients.router, preferences.router, dependants.router, guardians.router, internal.router)
