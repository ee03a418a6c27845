"""The jobs of auth-service."""

from __future__ import annotations

from auth_svc.usecases.create_account import AccountCreation
from auth_svc.usecases.login_attempts import LoginAttempts
from auth_svc.usecases.sessions import Sessions
from shared.kit.ended_sessions import MAX_PAGE_LENGTH, POLL_SECONDS, EndedSessionPoller, EndedSessions, RevokeSession
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder


def schedule_jobs(
    jobs: Jobs, creation: AccountCreation, sessions: Sessions, attempts: LoginAttempts, poller: EndedSessionPoller, *, holder: LeaseHolder
) -> None:
    """Add the jobs. `ended_sessions` runs on every instance; each other job runs on one instance at a time, the holder of its lease."""
    jobs.add("ended_sessions", poller.poll, every_seconds=POLL_SECONDS)
    jobs.add("number_ended_sessions", sessions.number_ended, every_seconds=POLL_SECONDS, holder=holder)
    jobs.add("complete_pending_accounts", creation.complete_pending, every_seconds=15, holder=holder)
    jobs.add("delete_expired_attempts", attempts.delete_expired, every_seconds=300, holder=holder)
    jobs.add("delete_expired_sessions", sessions.delete_expired, every_seconds=3600, holder=holder)


def own_session_poller(sessions: Sessions, revoke_session: RevokeSession) -> EndedSessionPoller:
    """Return the poller of auth-service, which reads the list of ended sessions without a call over HTTP."""

    async def fetch_page(after: int) -> EndedSessions:
        return EndedSessions.model_validate(await sessions.list_revoked(after, MAX_PAGE_LENGTH))

    return EndedSessionPoller(fetch_page, revoke_session)
