"""Erasing the account of a patient whose data are erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from auth_svc.ports import AuthStore
from auth_svc.usecases.login_attempts import LoginAttempts
from auth_svc.usecases.session_revocation import SessionRevocation
from shared.contracts.erasures import ErasureReports, StoredAnswers
from shared.contracts.events import PatientErased
from shared.contracts.identity import Role
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class AccountErasure:
    """Deletes accounts of role patient. A person who has become a member of staff keeps the account.

    The rows of ended sessions stay for a day, with ids and times only, because other services learn from them which tokens to refuse.
    """

    store: AuthStore
    attempts: LoginAttempts
    revocation: SessionRevocation
    answers: StoredAnswers
    reports: ErasureReports

    async def erase(self, event: PatientErased) -> None:
        """Delete the account and report it to patient-service. Raises Unavailable; a repeated event finds nothing more to delete."""
        removed = await self._delete(event.patient_id)
        await self.reports.send(event, {**removed, "stored_answers": await self._delete_answers(event.patient_id)})

    @retry_on_abort
    async def _delete(self, account_id: UUID) -> Mapping[str, int]:
        async with self.store.begin() as tx:
            account = await tx.find_account(account_id)
            if account is None or account.role is not Role.PATIENT:
                return {"accounts": 0}
            await self.revocation.revoke_all(tx, account_id)
            await self.attempts.end_delay(tx, account)
            await tx.delete_password_resets(account_id)
            await tx.delete_pending_profile(account_id)
            refresh_tokens = await tx.delete_session_details(account_id)
            await tx.delete_account(account_id)
        return {"accounts": 1, "refresh_tokens": refresh_tokens}

    @retry_on_abort
    async def _delete_answers(self, account_id: UUID) -> int:
        return await self.answers.delete_mentioning(account_id)
