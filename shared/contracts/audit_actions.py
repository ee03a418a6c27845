"""The actions of the audit trail: what each service reports. `docs/audit.md` is written from this list."""

from __future__ import annotations

from collections.abc import Mapping

from shared.contracts.identity import Service

AUDIT_ACTIONS: Mapping[Service, Mapping[str, str]] = {
    Service.AUTH: {
        "account.sign_in": "A session began. Refused: a password or a secret was wrong; the actor of an unknown account is auth-service.",
        "account.sign_out": "A session was ended by its owner, or all of them were.",
        "account.refresh": "Refused: a refresh token was used twice, or its account may not sign in any more, and its session was ended.",
        "account.create": "An account became usable. The actor of accounts that another service creates is auth-service.",
        "account.change": "Role, status, email address or name of an account changed, by an admin.",
        "password.change": "A password was changed by its owner.",
        "password.reset": "A password was chosen with a mailed link.",
        "api_client.create": "An API client was registered.",
        "api_client.delete": "An API client was deleted.",
    },
    Service.PATIENT: {
        "profile.read": "A profile was read.",
        "profile.change": "A profile was changed.",
        "profile.create": "A profile was created.",
        "profile.merge": "Two profiles of one person were merged.",
        "medical_history.read": "A medical history was read.",
        "medical_history.add": "An entry was added to a medical history.",
        "medical_history.correct": "An entry of a medical history was corrected.",
        "medical_history.retract": "An entry of a medical history was retracted.",
        "summary.read": "The summary of a medical history was read.",
        "visits.read": "The booking history of a patient was read.",
        "break_glass.open": "An admin opened a medical history for an hour; the row has the reason.",
        "break_glass.read": "The openings of a medical history were listed.",
        "guardians.read": "The guardians of a patient were listed.",
        "dependant.read": "The dependants of a patient were listed.",
        "dependant.change": "A dependant was added or removed.",
        "access_log.read": "The access log of a patient was read.",
        "patient.export": "All data of a patient were exported.",
        "patient.erase": "The identity of a patient was erased.",
        "erasure.read": "The state of an erasure was read.",
        "record_keys.rotate": "The keys of medical histories were encrypted anew, by the command `careslot rotate-keys`.",
    },
    Service.DOCTOR: {
        "doctor.create": "A doctor was created.",
        "doctor.change": "Fields of a doctor's profile were changed; `after` names them.",
        "hours.change": "The weekly hours of a doctor were replaced.",
        "hours.override": "The hours of one date were set.",
        "hours.restore": "A date follows the weekly hours again.",
        "service.create": "A service type was created.",
        "service.change": "Fields of a service type were changed; `after` names them.",
    },
    Service.SCHEDULING: {
        "leave.take": "A leave of a doctor was created; the row has the reason.",
        "leave.withdraw": "A leave of a doctor was withdrawn.",
        "closure.create": "The clinic was closed for some time; the row has the reason.",
        "closure.lift": "A closure was lifted.",
    },
    Service.APPOINTMENT: {
        "appointment.requested": "A visit was requested.",
        "appointment.booked": "A visit was booked.",
        "appointment.rescheduled": "A visit was moved to another time or doctor.",
        "appointment.amended": "Reason, answers, place or patient of a visit changed.",
        "appointment.confirmed": "The patient confirmed a visit.",
        "appointment.refused": "A booking was refused by the calendar.",
        "appointment.declined": "A requested visit was declined.",
        "appointment.cancelled": "A visit was cancelled.",
        "appointment.expired": "A requested visit was not approved in time.",
        "appointment.checked_in": "The patient arrived.",
        "appointment.in_progress": "The visit began.",
        "appointment.completed": "The visit ended.",
        "appointment.missed": "The patient did not come.",
        "appointment.restored": "A visit that had ended was booked again.",
        "appointment.overridden": "Staff lifted a rule of the calendar for a visit; `relation` is the rule, and the row has the reason.",
        "appointment.erased": "The texts of a visit were erased.",
    },
    Service.NOTIFICATION: {
        "template.change": "The text of a mail was replaced.",
        "template.reset": "The shipped text of a mail is used again.",
        "webhook.create": "A webhook was created.",
        "webhook.change": "A webhook was changed.",
        "webhook.delete": "A webhook was deleted.",
        "webhook.rotate_secret": "A webhook got a new secret.",
        "message.resend": "A message was sent again.",
    },
    Service.ADMIN: {
        "user.create": "An admin had a user created.",
        "settings.changed": "The settings of the clinic were changed; the row says which.",
        "import.start": "A file of doctors or patients was uploaded; each profile that is created has a line of its own.",
        "bulk.start": "Staff had many appointments cancelled, moved or messaged at once; each change has lines of its own.",
    },
}
"""By service and action: when it is reported. A later release may add actions; none changes its meaning."""
