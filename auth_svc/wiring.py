"""The composition root of auth-service: which adapter stands behind which port."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from auth_svc import consumers
from auth_svc.clients.hashing import Argon2
from auth_svc.clients.patients import HttpPatients
from auth_svc.clients.signing import OwnToken, Signer
from auth_svc.repository import SqlStore
from auth_svc.repository.keys import signing_key
from auth_svc.repository.tables import INFRASTRUCTURE
from auth_svc.settings import AuthSettings
from auth_svc.usecases.accounts import Accounts
from auth_svc.usecases.endings import Endings
from auth_svc.usecases.passwords import Passwords
from auth_svc.usecases.resets import Resets
from auth_svc.usecases.sessions import Sessions
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ENDED_SESSIONS_POLL_SECONDS, open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: AuthSettings, overrides: Overrides) -> AsyncIterator[None]:
    token = OwnToken(overrides.clock)

    async def own_keys() -> list[dict[str, Any]]:
        return [app.state.signer.public]

    async with open_service_runtime(app, settings, overrides, fetch_keys=own_keys, token=token) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        kid, pem = await signing_key(database, settings.key_secret)
        app.state.settings = settings
        app.state.signer = token.signer = Signer(kid, pem, settings.issuer, settings.audience, settings.access_minutes * 60)
        store = SqlStore(database, runtime.clock, runtime.start_outbox_relay(database, INFRASTRUCTURE), _end_in(app))
        hashing = await runtime.stack.enter_async_context(Argon2(settings.hashing_threads, settings.hashing_queue))
        patients = HttpPatients(runtime.client(Service.PATIENT))
        resets = Resets(store, hashlib.sha256(b"resets" + settings.key_secret.encode()).digest(), runtime.clock)
        endings = Endings(runtime.clock, timedelta(minutes=settings.access_minutes))
        accounts = Accounts(store, hashing, patients, resets, endings, runtime.clock)
        lasts = timedelta(days=settings.session_days)
        sessions = Sessions(store, hashing, app.state.signer, accounts, endings, settings.secret_of, runtime.clock, lasts)
        runtime.provide(accounts, resets, sessions, Passwords(store, hashing, resets, endings, runtime.clock))
        await consumers.subscribe(runtime, accounts)
        await sessions.watch(app.state.verifier.revoke_session)
        runtime.jobs.add(
            "ended sessions", lambda: sessions.watch(app.state.verifier.revoke_session), every_seconds=ENDED_SESSIONS_POLL_SECONDS
        )
        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        runtime.jobs.add("finish accounts", accounts.finish_stragglers, every_seconds=15, holder=holder)
        runtime.jobs.add("forget sessions", sessions.forget, every_seconds=3600, holder=holder)
        if settings.bootstrap_admin_email and settings.bootstrap_admin_password:
            await accounts.bootstrap(settings.bootstrap_admin_email, settings.bootstrap_admin_password)
        async with runtime.jobs:
            yield


def _end_in(app: FastAPI) -> Any:
    return lambda event: app.state.verifier.revoke_session(event.session_id, event.expires_at.timestamp())
