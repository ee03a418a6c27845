"""What the use cases of admin-service need from outside."""

from admin_svc.ports.clients import AdminAppointment, AppointmentClient, DoctorProfileClient, PatientNameClient, UserAccountClient
from admin_svc.ports.store import AdminStore, AdminTransaction

__all__ = [
    "AdminAppointment",
    "AdminStore",
    "AdminTransaction",
    "AppointmentClient",
    "DoctorProfileClient",
    "PatientNameClient",
    "UserAccountClient",
]
