"""HTTP clients of the services that patient-service calls."""

from patient_svc.clients.accounts import HttpAccountDirectory
from patient_svc.clients.directory import HttpAppointmentDirectory
from patient_svc.clients.doctors import HttpDoctorNameClient
from patient_svc.clients.live_visits import HttpLiveVisits
from patient_svc.clients.treatments import HttpTreatments

__all__ = ["HttpAccountDirectory", "HttpAppointmentDirectory", "HttpDoctorNameClient", "HttpLiveVisits", "HttpTreatments"]
