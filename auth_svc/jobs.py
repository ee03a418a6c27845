"""The jobs of auth-service."""

from __future__ import annotations

import functools
from collections.abc import Callable
from uuid import UUID

from auth_svc.usecases.create_account import AccountCreation
from auth_svc.usecases.sessions import Sessions
from shared.kit.jobs import Jobs
from shared.kit.leases import LeaseHolder
from shared.kit.service_runtime import ENDED_SESSIONS_POLL_SECONDS

RevokeSession = Callable[[UUID, float], None]
"""Makes this process refuse the access tokens of a session until a Unix time, when they have expired."""


def schedule_jobs(jobs: Jobs, creation: AccountCreation, sessions: Sessions, revoke_session: RevokeSession, holder: LeaseHolder) -> None:
    """Add the jobs. `ended_sessions` runs on every instance; each other job runs on one instance at a time, the holder of its lease."""
    revoke_ended = functools.partial(revoke_ended_sessions, sessions, revoke_session)
    jobs.add("ended_sessions", revoke_ended, every_seconds=ENDED_SESSIONS_POLL_SECONDS)
    jobs.add("complete_pending_accounts", creation.complete_pending, every_seconds=15, holder=holder)
    jobs.add("delete_expired_sessions", sessions.delete_expired, every_seconds=3600, holder=holder)


async def revoke_ended_sessions(sessions: Sessions, revoke_session: RevokeSession) -> int:
    """Revoke the sessions that any instance ended, in case their events did not arrive; return 0, because one run revokes them all."""
    for session in await sessions.list_revoked():
        revoke_session(session.session_id, session.expires_at.timestamp())
    return 0
