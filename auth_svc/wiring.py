"""The composition root of auth-service: which adapter stands behind which port."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from auth_svc import consumers, jobs
from auth_svc.clients.audit_signing import JwsHeadKey
from auth_svc.clients.password_hashing import Argon2Hasher
from auth_svc.clients.patient_profiles import HttpPatientProfileClient
from auth_svc.clients.token_signing import JwtSigner, OwnTokenSource
from auth_svc.repository import SqlAuthStore
from auth_svc.repository.restored import end_sessions
from auth_svc.repository.signing_keys import KeyPurpose, load_or_create_signing_key
from auth_svc.repository.tables import CLINIC_SETTINGS, INFRASTRUCTURE
from auth_svc.settings import AuthSettings
from auth_svc.usecases.accounts import Accounts
from auth_svc.usecases.api_clients import ApiClients
from auth_svc.usecases.audit_heads import AuditHeadSigning
from auth_svc.usecases.create_account import AccountCreation
from auth_svc.usecases.erasure import AccountErasure
from auth_svc.usecases.login_attempts import LoginAttempts
from auth_svc.usecases.password_resets import PasswordResets
from auth_svc.usecases.passwords import Passwords
from auth_svc.usecases.session_revocation import SessionRevocation
from auth_svc.usecases.sessions import Sessions
from auth_svc.usecases.tokens import OpenIdConfiguration, TokenIssuer
from shared.contracts.identity import Service
from shared.kit.clock import Clock, system_clock
from shared.kit.erasure_reports import HttpErasureReports
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime
from shared.kit.sql import Database
from shared.kit.sql_clinic_settings import SqlSettingsCopy


@asynccontextmanager
async def wire(app: FastAPI, settings: AuthSettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    clock, own_tokens = overrides.clock, OwnTokenSource(overrides.clock)
    async with open_service_runtime(app, settings, overrides, fetch_keys=own_tokens.fetch_keys, token=own_tokens) as runtime:
        verifier = app.state.verifier
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        key_id, private_key_pem = await load_or_create_signing_key(database, settings.key_secret, KeyPurpose.ACCESS_TOKENS)
        head_key = JwsHeadKey(*await load_or_create_signing_key(database, settings.key_secret, KeyPurpose.AUDIT_HEADS), settings.issuer)
        signer = own_tokens.signer = JwtSigner(key_id, private_key_pem, settings.issuer, settings.audience)
        wake_relay = runtime.start_outbox_relay(database, INFRASTRUCTURE)
        clinic = await runtime.follow_clinic(SqlSettingsCopy(database, CLINIC_SETTINGS))
        store = SqlAuthStore(database, clock, wake_relay=wake_relay, revoke_session=verifier.revoke_session)
        hasher = await runtime.stack.enter_async_context(Argon2Hasher(settings.hashing_threads, settings.hashing_queue))
        profiles = HttpPatientProfileClient(runtime.client(Service.PATIENT))

        access_token_lifetime, session_lifetime = timedelta(minutes=settings.access_minutes), timedelta(days=settings.session_days)
        attempts = LoginAttempts(store, derived_key(settings.key_secret, b"attempts"), clock)
        tokens = TokenIssuer(signer, attempts, settings.secret_of, clock, access_token_lifetime)
        revocation = SessionRevocation(clock, access_token_lifetime)
        resets = PasswordResets(store, derived_key(settings.key_secret, b"resets"), clock)
        creation = AccountCreation(store, hasher, attempts, profiles, resets, clock, clinic)
        sessions = Sessions(store, hasher, attempts, tokens, creation, revocation, clock, session_lifetime, clinic)
        accounts = Accounts(store, profiles, creation, resets, revocation, clock, clinic)
        passwords = Passwords(store, hasher, attempts, resets, revocation, clock)
        client_secrets = derived_key(settings.key_secret, b"api_clients")
        clients = ApiClients(store, signer, attempts, revocation, client_secrets, clock, access_token_lifetime)
        runtime.provide(accounts, creation, passwords, resets, sessions, tokens, clients, AuditHeadSigning(store, head_key, clock))
        runtime.provide(OpenIdConfiguration(settings.issuer, settings.public_url))

        reports = HttpErasureReports(runtime.client(Service.PATIENT))
        await consumers.subscribe(runtime, accounts, AccountErasure(store, attempts, revocation, runtime.stored_answers, reports))
        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        poller = jobs.own_session_poller(sessions, verifier.revoke_session)
        jobs.schedule_jobs(runtime.jobs, creation, sessions, attempts, poller, holder=holder)
        while await sessions.number_ended() or await poller.poll():  # before the first request
            pass
        if settings.bootstrap_admin_email and settings.bootstrap_admin_password:
            await creation.create_first_admin(settings.bootstrap_admin_email, settings.bootstrap_admin_password)
        async with runtime.jobs:
            yield


def derived_key(key_secret: str, purpose: bytes) -> bytes:
    """Return the key for one purpose; no two purposes have the same key."""
    return hashlib.sha256(purpose + key_secret.encode()).digest()


async def end_all_sessions(database_url: str, now: Clock = system_clock) -> int:
    """End every session of a restored database, for `careslot restore`, and return how many there were: everyone signs in again."""
    ended = 0
    async with Database(database_url) as database:
        while True:
            async with database.write() as connection:
                count = await end_sessions(connection, now())
            if not count:
                return ended
            ended += count
