"""The checks of the auditor: one module for each promise."""

from __future__ import annotations

from collections.abc import Sequence

from careslot.auditor.checks.accounts import AccountCheck
from careslot.auditor.checks.audit import AuditTrailCheck
from careslot.auditor.checks.events import AppointmentEventCheck, OutboxCheck
from careslot.auditor.checks.grains import ClaimGrainCheck, LaneCheck
from careslot.auditor.checks.groups import GroupCheck
from careslot.auditor.checks.history import HistoryCheck
from careslot.auditor.checks.messages import ConfirmationCheck, SingleMessageCheck
from careslot.auditor.checks.planned_reminders import PlannedReminderCheck
from careslot.auditor.checks.reminders import ReminderCheck
from careslot.auditor.checks.report_rows import ReportCheck
from careslot.auditor.checks.reservations import ReservationCheck
from careslot.auditor.findings import Check

ALL_CHECKS: Sequence[Check] = (
    LaneCheck(),
    ClaimGrainCheck(),
    ReservationCheck(),
    GroupCheck(),
    OutboxCheck(),
    AppointmentEventCheck(),
    SingleMessageCheck(),
    ConfirmationCheck(),
    ReminderCheck(),
    PlannedReminderCheck(),
    HistoryCheck(),
    ReportCheck(),
    AccountCheck(),
    AuditTrailCheck(),
)
"""In the order in which they run."""
