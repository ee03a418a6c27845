"""Who may call the routes about one patient. A caller whose role may not is recorded in the patient's log before the refusal."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends

from patient_svc.domain.access import AccessAction
from patient_svc.usecases.access_control import AccessControl
from shared.contracts.identity import Caller, Role
from shared.kit.access import EVERY_ROLE, RequireRole, parse_uuid
from shared.kit.requests import ServiceRequest

STAFF = (Role.RECEPTION, Role.ADMIN)


class RequireRecordedRole(RequireRole):
    """A dependency like RequireRole that records refusals as refused attempts of `action`.

    The path parameter `parameter` is the id of the patient. An attempt on an id of no patient is not recorded.
    """

    def __init__(self, action: AccessAction, *roles: Role, parameter: str = "patient_id") -> None:
        super().__init__(*roles)
        self.action, self.parameter = action, parameter

    async def handle_refusal(self, request: ServiceRequest) -> None:
        """Record the attempt. Raises Unavailable when it cannot be recorded."""
        access: AccessControl = request.app.state.use_cases[AccessControl]
        patient_id = parse_uuid(request.path_params[self.parameter])
        if request.caller is not None and patient_id is not None:
            await access.record_refusal(request.caller, patient_id, self.action)


def _required(action: AccessAction, *roles: Role, parameter: str = "patient_id") -> Any:
    return Depends(RequireRecordedRole(action, *roles, parameter=parameter))


ProfileReader = Annotated[Caller, _required(AccessAction.PROFILE_READ, *EVERY_ROLE)]
ProfileEditor = Annotated[Caller, _required(AccessAction.PROFILE_CHANGED, *STAFF)]
VisitsReader = Annotated[Caller, _required(AccessAction.VISITS_READ, *EVERY_ROLE)]
HistoryReader = Annotated[Caller, _required(AccessAction.HISTORY_READ, *EVERY_ROLE)]
HistoryAuthor = Annotated[Caller, _required(AccessAction.HISTORY_ADDED, Role.PATIENT, Role.DOCTOR)]
HistoryCorrector = Annotated[Caller, _required(AccessAction.HISTORY_CORRECTED, Role.PATIENT, Role.DOCTOR)]
HistoryRetractor = Annotated[Caller, _required(AccessAction.HISTORY_RETRACTED, Role.PATIENT, Role.DOCTOR)]
SummaryReader = Annotated[Caller, _required(AccessAction.SUMMARY_READ, *EVERY_ROLE)]
BreakGlassOpener = Annotated[Caller, _required(AccessAction.BREAK_GLASS, Role.ADMIN)]
BreakGlassReader = Annotated[Caller, _required(AccessAction.BREAK_GLASS_READ, Role.ADMIN)]
GuardiansReader = Annotated[Caller, _required(AccessAction.GUARDIANS_READ, *STAFF)]
MergingAdmin = Annotated[Caller, _required(AccessAction.PROFILE_MERGED, Role.ADMIN)]
DependantReader = Annotated[Caller, _required(AccessAction.DEPENDANT_READ, Role.PATIENT, parameter="dependant_id")]
DependantEditor = Annotated[Caller, _required(AccessAction.DEPENDANT_CHANGED, Role.PATIENT, parameter="dependant_id")]
EndingGuardian = Annotated[Caller, _required(AccessAction.PROFILE_CHANGED, Role.PATIENT, parameter="dependant_id")]
AccessLogReader = Annotated[Caller, _required(AccessAction.ACCESS_LOG_READ, Role.PATIENT, parameter="dependant_id")]
