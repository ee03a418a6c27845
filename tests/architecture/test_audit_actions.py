"""The list of the audit trail's actions is complete and closed: every action is reported somewhere, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from admin_svc.schemas import AuditAction
from appointment_svc.domain.recording import OVERRIDDEN_ACTION
from appointment_svc.domain.transitions import AppointmentStatus
from careslot.services import PACKAGES
from patient_svc.domain.access import AccessAction
from shared.contracts.audit_actions import AUDIT_ACTIONS
from shared.contracts.identity import Service

ROOT = Path(__file__).parent.parent.parent
NOT_ENTERED = {AppointmentStatus.PENDING}
CHANGES_WITHOUT_A_STATUS = {"rescheduled", "amended", "confirmed", "restored", "erased"}
NAMED_BY_THE_CALLER = {Service.PATIENT, Service.APPOINTMENT}


@pytest.mark.parametrize("service", sorted(set(AUDIT_ACTIONS) - NAMED_BY_THE_CALLER))
def test_every_action_is_reported_by_its_service_and_every_reported_action_is_listed(service: Service) -> None:
    source = "\n".join(path.read_text() for path in (ROOT / PACKAGES[service] / "usecases").rglob("*.py"))
    reported = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', source))
    assert reported == set(AUDIT_ACTIONS[service])


def test_patient_service_reports_every_access_and_rotations_of_keys() -> None:
    assert set(AUDIT_ACTIONS[Service.PATIENT]) == {action.value for action in AccessAction} | {"record_keys.rotate"}


def test_appointment_service_reports_every_change_of_its_history() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "appointment_svc" / "domain").rglob("*.py"))
    named = set(re.findall(r'action="([a-z_]+)"', source))
    actions = {status.value for status in set(AppointmentStatus) - NOT_ENTERED} | named
    assert set(AUDIT_ACTIONS[Service.APPOINTMENT]) == {f"appointment.{action}" for action in actions} | {OVERRIDDEN_ACTION}
    assert actions >= CHANGES_WITHOUT_A_STATUS


def test_every_action_can_be_filtered_by() -> None:
    adapter = TypeAdapter(AuditAction)
    for actions in AUDIT_ACTIONS.values():
        for action in actions:
            assert adapter.validate_python(action) == action
