"""The request and response models of patient-service."""

from patient_svc.schemas.accesses import AccessOut
from patient_svc.schemas.dependants import CreateDependant, DependantOut
from patient_svc.schemas.preferences import PreferencesOut, PutPreferences
from patient_svc.schemas.profiles import (
    CreateWalkIn,
    FoundPatientsOut,
    PatientOut,
    RenamePatient,
    UpdatePatient,
    UpdatePatientByStaff,
    WalkInOut,
)

__all__ = [
    "AccessOut",
    "CreateDependant",
    "CreateWalkIn",
    "DependantOut",
    "FoundPatientsOut",
    "PatientOut",
    "PreferencesOut",
    "PutPreferences",
    "RenamePatient",
    "UpdatePatient",
    "UpdatePatientByStaff",
    "WalkInOut",
]
