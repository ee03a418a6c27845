"""The store of appointment-service: documents in MongoDB or in SQLite, as the URL's scheme says."""

from __future__ import annotations

from dataclasses import dataclass

from appointment_svc.repository.documents import Documents
from shared.kit.leases import LeaseHolder
from shared.kit.outbox import Relay
from shared.kit.service_runtime import ServiceRuntime


@dataclass(frozen=True, slots=True)
class Kept:
    """What a scheme brings: documents, and the holder of this instance's leases."""

    documents: Documents
    holder: LeaseHolder


async def kept(runtime: ServiceRuntime, url: str) -> Kept:
    """Opens what the URL names; also keeps answers, and takes part in readiness."""
    if url.startswith("mongodb"):
        return await _in_mongo(runtime, url)
    from appointment_svc.repository.sqlite import SqliteDocuments
    from appointment_svc.repository.tables import INFRASTRUCTURE

    database = await runtime.open_database(url, INFRASTRUCTURE)
    relay, holder = Relay(database, INFRASTRUCTURE, runtime.bus, runtime.clock), runtime.lease_holder(database, INFRASTRUCTURE)
    runtime.jobs.add("prune answers", relay.prune, every_seconds=3600, holder=holder)
    return Kept(SqliteDocuments(database), holder)


async def _in_mongo(runtime: ServiceRuntime, url: str) -> Kept:
    from appointment_svc.repository.mongo import MongoAnswers, MongoDocuments, MongoLeases, opened

    database = await runtime.stack.enter_async_context(opened(url))
    documents, answers = MongoDocuments(database), MongoAnswers(database, runtime.clock)
    holder = LeaseHolder(MongoLeases(database, runtime.clock), runtime.overrides.instance_name, runtime.clock)
    runtime.app.state.idempotency = answers
    runtime.app.state.checks.append(documents.check)
    runtime.jobs.add("prune answers", answers.prune, every_seconds=3600, holder=holder)
    return Kept(documents, holder)
