"""What the use cases of admin-service need from outside."""

from admin_svc.ports.clients import AdminAppointment, AppointmentClient, DoctorProfileClient, PatientNameClient, UserAccountClient
from admin_svc.ports.store import AdminStore, AdminTransaction, AuditStore, AuditTransaction

__all__ = [
    "AdminAppointment",
    "AdminStore",
    "AdminTransaction",
    "AppointmentClient",
    "AuditStore",
    "AuditTransaction",
    "DoctorProfileClient",
    "PatientNameClient",
    "UserAccountClient",
]
