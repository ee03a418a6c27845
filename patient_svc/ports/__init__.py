"""What the use cases of patient-service need from outside."""

from patient_svc.ports.patients import PatientStore, PatientTransaction, SortKey
from patient_svc.ports.search import AccountDirectory

__all__ = ["AccountDirectory", "PatientStore", "PatientTransaction", "SortKey"]
