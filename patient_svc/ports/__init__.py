"""What the use cases of patient-service need from outside."""

from patient_svc.ports.guardians import SortKey
from patient_svc.ports.patients import PatientStore, PatientTransaction
from patient_svc.ports.records import RecordStore, RecordsUnreadable, RecordTransaction, Treatments
from patient_svc.ports.search import AccountDirectory
from patient_svc.ports.visits import AppointmentDirectory

__all__ = [
    "AccountDirectory",
    "AppointmentDirectory",
    "PatientStore",
    "PatientTransaction",
    "RecordStore",
    "RecordTransaction",
    "RecordsUnreadable",
    "SortKey",
    "Treatments",
]
