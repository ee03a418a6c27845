"""Stored answers for Idempotency-Keys: a caller who has lost the right to see a person gets no answer about them by repeating a request."""

from __future__ import annotations

from shared.contracts.identity import Role
from shared.kit.replay_checks import ReplayCheck
from shared.kit.response_headers import forbid_storing
from shared.kit.routes import all_dependencies
from tests.architecture.test_scopes import protected_routes, required_roles

ABOUT_NOBODY_ELSE = {
    "change_password": "one's own account",
    "logout_all": "one's own account",
    "subscribe_calendar": "one's own calendar",
    "extend_hold": "one's own hold, which names no patient",
    "preview_leave": "the doctor's own visits; RequireOwner is checked before a replay",
    "take_leave": "the doctor's own visits; RequireOwner is checked before a replay",
}
"""The operations whose answers are about the caller alone, with the reason."""
LASTING = frozenset({Role.RECEPTION, Role.ADMIN})
"""The roles that see all people for as long as they have the role, which is checked before a replay."""


def test_an_answer_about_another_person_is_checked_before_it_is_sent_again_or_not_stored() -> None:
    unchecked = set()
    for route in protected_routes():
        is_public_post = "POST" in (route.methods or ()) and route.include_in_schema
        if not is_public_post or all(require_role.roles <= LASTING for require_role in required_roles(route)):
            continue
        calls = [dependency.call for dependency in all_dependencies(route.dependant)]
        if not any(isinstance(call, ReplayCheck) or call is forbid_storing for call in calls):
            unchecked.add(str(route.operation_id))
    assert unchecked == set(ABOUT_NOBODY_ELSE)
