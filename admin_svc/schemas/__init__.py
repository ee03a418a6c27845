"""The request and response models of admin-service."""

from admin_svc.schemas.appointments import UpdateAppointment
from admin_svc.schemas.audit import AuditAction, AuditHeadOut, AuditLineOut
from admin_svc.schemas.users import CreateUser, DisabledUserOut, FutureAppointmentOut, UpdateUser, UserOut, UserRole, UserStatus

__all__ = [
    "AuditAction",
    "AuditHeadOut",
    "AuditLineOut",
    "CreateUser",
    "DisabledUserOut",
    "FutureAppointmentOut",
    "UpdateAppointment",
    "UpdateUser",
    "UserOut",
    "UserRole",
    "UserStatus",
]
