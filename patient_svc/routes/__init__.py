"""The routes of patient-service."""

from patient_svc.routes import accesses, dependants, internal, patients, preferences, staff_patients

routers = (patients.router, staff_patients.router, preferences.router, dependants.router, accesses.router, internal.router)
