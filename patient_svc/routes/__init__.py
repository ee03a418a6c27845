"""The routes of patient-service."""

from patient_svc.routes import accesses, dependants, internal, patients, preferences, records

routers = (patients.router, preferences.router, dependants.router, records.router, accesses.router, internal.router)
