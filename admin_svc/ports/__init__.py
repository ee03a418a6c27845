"""What the use cases of admin-service need from outside."""

from admin_svc.ports.clients import (
    AdminAppointment,
    AppointmentClient,
    DoctorProfileClient,
    HeadSigner,
    PatientNameClient,
    UserAccountClient,
)
from admin_svc.ports.store import AuditStore, AuditTransaction, OldAuditLines, UserStore, UserTransaction

__all__ = [
    "AdminAppointment",
    "AppointmentClient",
    "AuditStore",
    "AuditTransaction",
    "DoctorProfileClient",
    "HeadSigner",
    "OldAuditLines",
    "PatientNameClient",
    "UserAccountClient",
    "UserStore",
    "UserTransaction",
]
