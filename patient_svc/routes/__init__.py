"""The routes of patient-service."""

from patient_svc.routes import (
    accesses,
    dependants,
    erasures,
    exports,
    guardians,
    internal,
    merges,
    patients,
    preferences,
    records,
    staff_patients,
    visits,
)

routers = (
    patients.router,
    staff_patients.router,
    preferences.router,
    preferences.dependants_router,
    dependants.router,
    guardians.router,
    merges.router,
    records.router,
    visits.router,
    accesses.router,
    exports.router,
    erasures.router,
    erasures.admin_router,
    erasures.internal_router,
    internal.router,
)
