"""HTTP clients of the services that patient-service calls."""

from patient_svc.clients.accounts import HttpAccountDirectory
from patient_svc.clients.appointments_ahead import HttpAppointmentsAhead
from patient_svc.clients.calendar_merges import HttpCalendarMerges
from patient_svc.clients.directory import HttpAppointmentDirectory
from patient_svc.clients.doctors import HttpDoctorNameClient
from patient_svc.clients.exports import HttpExportSources
from patient_svc.clients.live_visits import HttpLiveVisits
from patient_svc.clients.treatments import HttpTreatments

__all__ = [
    "HttpAccountDirectory",
    "HttpAppointmentDirectory",
    "HttpAppointmentsAhead",
    "HttpCalendarMerges",
    "HttpDoctorNameClient",
    "HttpExportSources",
    "HttpLiveVisits",
    "HttpTreatments",
]
