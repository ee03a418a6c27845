"""The request and response models of patient-service."""

from patient_svc.schemas.dependants import CreateDependant, DependantOut
from patient_svc.schemas.preferences import PreferencesOut, PutPreferences
from patient_svc.schemas.profiles import CreateWalkIn, PatientOut, RenamePatient, UpdatePatient, UpdatePatientByStaff

__all__ = [
    "CreateDependant",
    "CreateWalkIn",
    "DependantOut",
    "PatientOut",
    "PreferencesOut",
    "PutPreferences",
    "RenamePatient",
    "UpdatePatient",
    "UpdatePatientByStaff",
]
