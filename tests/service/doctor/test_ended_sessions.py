"""A service asks auth-service only for the sessions that ended since its last poll, and refuses their tokens."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import httpx

from shared.contracts.identity import Role
from tests.running import run_service
from tests.tokens import bearer


async def test_each_ended_session_is_fetched_once_and_refused(tmp_path: Path) -> None:
    ended, asked_after = [str(uuid4()) for _ in range(2500)], list[int]()

    def answer(request: httpx.Request) -> httpx.Response:
        after, limit = (int(request.url.params[name]) for name in ("after", "limit"))
        asked_after.append(after)
        page = [
            {"session_id": session_id, "expires_at": "2026-03-02T12:11:00Z", "number": number}
            for number, session_id in enumerate(ended[after : after + limit], after + 1)
        ]
        return httpx.Response(200, json={"items": page, "last_number": len(ended)})

    async with run_service("doctor_svc", tmp_path, ended_sessions=answer) as service:
        await service.run_until_idle()
        for session_id in (ended[0], ended[-1]):
            response = await service.http.get("/services", headers=bearer(Role.PATIENT, sid=session_id))
            assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
        assert (await service.http.get("/services", headers=bearer(Role.PATIENT))).status_code == 200
        first_polls = sorted(set(asked_after))
        await service.run_until_idle()
        assert first_polls == [0, 1000, 2000, 2500] == sorted(set(asked_after))
