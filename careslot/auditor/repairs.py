"""What each finding means, and what an admin can do about it. Nothing of it is done by the auditor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Repair:
    """The sentence that says what is wrong, and the advice of `--repair-plan`."""

    meaning: str
    advice: str


READ_FIRST = "Find out who wrote to the database beside the product before you change anything, and keep a copy of it."
CANCEL_ONE = "Cancel or move one of the two appointments with PUT /admin/appointments/{id}; its patient gets a mail."
RECONCILE = (
    "Wait for the reconcile job of appointment-service, which runs every APPOINTMENT_RECONCILE_EVERY_SECONDS; its log says what it has "
    "corrected, or `reconcile_stopped` and why."
)
REBUILD = "Run `careslot rebuild history`."
REBUILD_REPORTS = "Run `careslot rebuild reports`."
MOVE_AND_BACK = "Move the appointment to another time and back with PUT /admin/appointments/{id}: both requests write time and claim anew."
KEEP_BOTH = "Keep copies of both databases. Compare with the heads that others have kept (GET /admin/audit/heads); nothing can be repaired."

CODES: dict[str, Repair] = {
    "lane_taken_twice": Repair(
        "A grain of a person is taken twice in one lane.", f"The primary key of claim_grains is missing. {READ_FIRST}"
    ),
    "lane_0_is_free": Repair("A grain is taken in an upper lane only, so that it can be booked again.", MOVE_AND_BACK),
    "grain_without_claim": Repair(
        "A grain is taken by a claim that does not have this time.", f"{READ_FIRST} Then delete the rows of claim_grains."
    ),
    "double_booking": Repair("Two ordinary claims share time of a doctor.", CANCEL_ONE),
    "claim_lacks_time": Repair("A claim does not have all grains of its time, so that others can book it.", MOVE_AND_BACK),
    "claim_without_appointment": Repair("A claim has no appointment.", RECONCILE),
    "claim_of_ended_appointment": Repair("An appointment that does not take place still has its time.", RECONCILE),
    "appointment_without_claim": Repair(
        "A booked appointment has no time in the calendar.",
        f"{RECONCILE} If the log has `appointment_without_reservation`, someone else has the time: move one of both.",
    ),
    "claim_differs": Repair("An appointment and its claim differ.", f"{RECONCILE} {MOVE_AND_BACK}"),
    "calendar_request_waits": Repair(
        "A request of an appointment to the calendar was not completed.",
        "See whether scheduling-service is ready; the job goes on by itself.",
    ),
    "group_overfull": Repair("A group session has more seats than its capacity.", "Cancel or move one of its appointments."),
    "seat_differs": Repair("The seats of a group session are not those of its claims.", MOVE_AND_BACK),
    "session_differs": Repair("A group session without seats has time, or one with seats has none.", MOVE_AND_BACK),
    "event_waits": Repair(
        "An event has waited for too long.",
        "See whether the event bus and the named service are ready, and GET /admin/dead-letters; replay what is there.",
    ),
    "event_lost": Repair(
        "A published event did not arrive.",
        "Of an appointment: notification-service asks for what is missing every few minutes, and `careslot rebuild history` completes "
        "patient-service. Of a profile: change the profile once more.",
    ),
    "event_unreadable": Repair(
        "An event in an appointment cannot be read.", "See the log for stored_item_unreadable; a newer release may have written it."
    ),
    "event_missing": Repair(
        "The newest event of an appointment is gone.", f"{READ_FIRST} Then send the messages concerned by hand, and: {REBUILD}"
    ),
    "pending_events_miscounted": Repair("An appointment counts other events than it has, so that some do not leave.", READ_FIRST),
    "message_twice": Repair(
        "The same person has the same message twice.", "If one is still queued, tell the recipient; nothing can be called back."
    ),
    "message_sent_twice": Repair(
        "A message was accepted by the mail server more than once.", "Tell the recipient; nothing can be called back."
    ),
    "confirmation_missing": Repair(
        "Somebody was not notified of a booked appointment.",
        "Tell the person, or move the appointment and back: that sends messages again.",
    ),
    "notified_visit_missing": Repair("notification-service does not know a booked visit, so that nobody is reminded.", MOVE_AND_BACK),
    "notified_visit_differs": Repair("notification-service knows another state of a visit.", MOVE_AND_BACK),
    "reminder_without_visit": Repair("A reminder is planned for a visit that does not take place, or at another time.", MOVE_AND_BACK),
    "reminder_missing": Repair("A reminder that is wanted was not planned.", "Let the patient save the preferences again."),
    "reminder_without_message": Repair("A reminder was queued, and its message is gone.", "Tell the person about the visit."),
    "visit_missing": Repair("A visit is missing in the booking history.", REBUILD),
    "visit_differs": Repair("The booking history shows another state of a visit.", REBUILD),
    "visit_without_appointment": Repair("The booking history shows a visit that does not exist.", REBUILD),
    "report_visit_missing": Repair("The reports do not count an appointment.", REBUILD_REPORTS),
    "report_visit_differs": Repair("The reports count an appointment with other facts.", REBUILD_REPORTS),
    "report_visit_without_appointment": Repair("The reports count an appointment that does not exist.", REBUILD_REPORTS),
    "patient_without_account": Repair(
        "A patient's profile has an account that does not exist.", "Merge the profile into one with an account, or erase it."
    ),
    "doctor_without_account": Repair(
        "A doctor has no account.", "Make the doctor inactive with PATCH /doctors/{id}, and create the user again."
    ),
    "account_without_patient": Repair(
        "A patient's account has no profile.", "Disable the account with DELETE /admin/users/{id}; the person registers again."
    ),
    "audit_line_changed": Repair("A line of the audit trail was changed after it was recorded.", KEEP_BOTH),
    "audit_lines_missing": Repair("Lines of the audit trail are missing.", KEEP_BOTH),
    "audit_line_inserted": Repair("A line was put into the audit trail later.", KEEP_BOTH),
    "audit_day_cut": Repair("The last lines of a day are missing in the audit trail.", KEEP_BOTH),
    "audit_head_differs": Repair("The head of a day is not that of its lines.", KEEP_BOTH),
    "audit_head_missing": Repair("The head of a day is missing in the audit trail.", KEEP_BOTH),
    "audit_signature_wrong": Repair("The head of a day is not the one that auth-service has signed.", KEEP_BOTH),
    "audit_lines_deleted_early": Repair("Lines of the audit trail were deleted before the clinic may delete them.", KEEP_BOTH),
    "account_without_doctor": Repair(
        "A doctor's account has no profile.", "Disable the account with DELETE /admin/users/{id}, and create the user again."
    ),
}
"""By code. Codes are stable: scripts may rely on them."""
