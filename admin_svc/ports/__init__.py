"""What the use cases of admin-service need from outside."""

from admin_svc.ports.clients import AdminAppointment, AppointmentClient, DoctorProfileClient, PatientNameClient, UserAccountClient
from admin_svc.ports.store import AuditStore, AuditTransaction, UserStore, UserTransaction

__all__ = [
    "AdminAppointment",
    "AppointmentClient",
    "AuditStore",
    "AuditTransaction",
    "DoctorProfileClient",
    "PatientNameClient",
    "UserAccountClient",
    "UserStore",
    "UserTransaction",
]
