"""The routes of patient-service."""

from patient_svc.routes import dependants, internal, patients, preferences, records

routers = (patients.router, preferences.router, dependants.router, records.router, internal.router)
