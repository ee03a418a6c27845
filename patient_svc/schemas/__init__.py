"""The request and response models of patient-service."""

from patient_svc.schemas.dependants import AddGuardian, CreateDependant, DependantOut, GuardianOut
from patient_svc.schemas.preferences import PreferencesOut, PutPreferences
from patient_svc.schemas.profiles import CreateWalkIn, PatientOut, RenamePatient, UpdatePatient

__all__ = [
    "AddGuardian",
    "CreateDependant",
    "CreateWalkIn",
    "DependantOut",
    "GuardianOut",
    "PatientOut",
    "PreferencesOut",
    "PutPreferences",
    "RenamePatient",
    "UpdatePatient",
]
