"""The request and response models of patient-service."""

from patient_svc.schemas.accesses import AccessOut
from patient_svc.schemas.dependants import AddGuardian, CreateDependant, DependantOut, GuardianOut
from patient_svc.schemas.erasures import ErasureOut, ReportedErasureOut
from patient_svc.schemas.preferences import PreferencesOut, PutPreferences
from patient_svc.schemas.profiles import (
    CreateWalkIn,
    FoundPatientsOut,
    ImportPatient,
    PatientOut,
    RenamePatient,
    UpdatePatient,
    UpdatePatientByStaff,
    WalkInOut,
)
from patient_svc.schemas.records import (
    AddMedicalEntry,
    BreakGlassOut,
    BreakGlassReasonOut,
    CorrectMedicalEntry,
    MedicalEntryOut,
    MedicalSummaryOut,
    OpenBreakGlass,
    RetractMedicalEntry,
)

__all__ = [
    "AccessOut",
    "AddGuardian",
    "AddMedicalEntry",
    "BreakGlassOut",
    "BreakGlassReasonOut",
    "CorrectMedicalEntry",
    "CreateDependant",
    "CreateWalkIn",
    "DependantOut",
    "ErasureOut",
    "FoundPatientsOut",
    "GuardianOut",
    "ImportPatient",
    "MedicalEntryOut",
    "MedicalSummaryOut",
    "OpenBreakGlass",
    "PatientOut",
    "PreferencesOut",
    "PutPreferences",
    "RenamePatient",
    "ReportedErasureOut",
    "RetractMedicalEntry",
    "UpdatePatient",
    "UpdatePatientByStaff",
    "WalkInOut",
]
