"""What the use cases of patient-service need from outside."""

from patient_svc.ports.patients import PatientStore, PatientTransaction, SortKey
from patient_svc.ports.records import RecordStore, RecordsUnreadable, RecordTransaction, Treatments

__all__ = ["PatientStore", "PatientTransaction", "RecordStore", "RecordTransaction", "RecordsUnreadable", "SortKey", "Treatments"]
