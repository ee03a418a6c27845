"""What the use cases of patient-service need from outside."""

from patient_svc.ports.guardians import SortKey
from patient_svc.ports.patients import PatientStore, PatientTransaction
from patient_svc.ports.records import RecordStore, RecordsUnreadable, RecordTransaction, Treatments
from patient_svc.ports.search import AccountDirectory
from patient_svc.ports.visits import AppointmentDirectory, RebuildStore

__all__ = [
    "AccountDirectory",
    "AppointmentDirectory",
    "PatientStore",
    "PatientTransaction",
    "RebuildStore",
    "RecordStore",
    "RecordTransaction",
    "RecordsUnreadable",
    "SortKey",
    "Treatments",
]
