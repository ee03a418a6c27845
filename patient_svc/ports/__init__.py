"""What the use cases of patient-service need from outside."""

from patient_svc.ports.guardians import SortKey
from patient_svc.ports.patients import PatientStore, PatientTransaction
from patient_svc.ports.visits import AppointmentDirectory

__all__ = ["AppointmentDirectory", "PatientStore", "PatientTransaction", "SortKey"]
