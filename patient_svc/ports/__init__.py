"""What the use cases of patient-service need from outside."""

from patient_svc.ports.patients import PatientStore, PatientTransaction, SortKey

__all__ = ["PatientStore", "PatientTransaction", "SortKey"]
