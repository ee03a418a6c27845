"""HTTP clients of the services that patient-service calls."""

from patient_svc.clients.directory import HttpAppointmentDirectory
from patient_svc.clients.doctors import HttpDoctorNameClient
from patient_svc.clients.treatments import HttpTreatments

__all__ = ["HttpAppointmentDirectory", "HttpDoctorNameClient", "HttpTreatments"]
