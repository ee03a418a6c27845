"""Calls to a neighbour: service token, deadline, breaker, balancing; a problem answer comes back as the refusal it was."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import BaseModel

from shared.contracts.identity import Service
from shared.contracts.refusals import NotFound, Unavailable
from shared.kit.breaker import Breaker
from shared.kit.clock import Clock
from shared.kit.deadlines import remaining_seconds
from shared.kit.logs import request_id, traceparent
from shared.kit.problems import from_problem

TIMEOUT_SECONDS = 4.0
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout)  # nobody heard it: harmless to say again
M = TypeVar("M", bound=BaseModel)


class TokenSource(Protocol):
    """A service's own access token."""

    async def __call__(self) -> str: ...

    def discard(self) -> None:
        """It was refused: the next call gives a new one."""


class ServiceClient:
    """One neighbour service. Its instances are asked in turn; one that fails is left alone for a while."""

    def __init__(self, service: Service, urls: Sequence[str], http: httpx.AsyncClient, token: TokenSource | None) -> None:
        self._service, self._urls, self._http, self._token = service, list(urls), http, token
        self._breakers = {url: Breaker() for url in self._urls}
        self._flights = asyncio.Semaphore(64)
        self._turn = 0

    async def get(self, path: str, answer: type[M], **params: Any) -> M:
        return answer.model_validate(await self.call("GET", path, params=params))

    async def get_or_none(self, path: str, answer: type[M]) -> M | None:
        """As `get`, None where the neighbour knows of no such thing."""
        try:
            return await self.get(path, answer)
        except NotFound:
            return None

    async def call(
        self, method: str, path: str, *, body: BaseModel | dict[str, Any] | None = None, params: Any = None, data: Any = None
    ) -> Any:
        """The JSON of a 2xx answer; refuses as the neighbour did, or with Unavailable when it does not answer in time."""
        payload = body.model_dump(mode="json", exclude_none=True) if isinstance(body, BaseModel) else body
        given = {name: value for name, value in (params or {}).items() if value is not None}
        for attempt in (1, 2):
            try:
                return await self._asked(method, path, payload, given, data)
            except (httpx.TransportError, TimeoutError) as why:
                harmless = method in REPEATABLE or isinstance(why, UNREACHED)
                if attempt == 2 or not harmless or remaining_seconds(TIMEOUT_SECONDS) < 0.2:
                    raise Unavailable(f"{self._service} does not answer.", retry_after=2) from why

    async def _asked(self, method: str, path: str, payload: Any, params: Any, data: Any) -> Any:
        url, seconds = self._next(), remaining_seconds(TIMEOUT_SECONDS)
        headers = await self._headers(seconds)
        try:
            async with asyncio.timeout(seconds), self._flights:
                response = await self._http.request(method, url + path, json=payload, params=params, data=data, headers=headers)
        except (httpx.TransportError, TimeoutError):
            self._breakers[url].record_failure()
            raise
        self._breakers[url].record_success()
        if response.status_code == 401 and self._token is not None:
            self._token.discard()
        return _content(response)

    def _next(self) -> str:
        for _ in self._urls:
            self._turn = (self._turn + 1) % len(self._urls)
            if self._breakers[self._urls[self._turn]].admit():
                return self._urls[self._turn]
        raise Unavailable(f"{self._service} does not answer.", retry_after=2)

    async def _headers(self, seconds: float) -> dict[str, str]:
        headers = {"X-Timeout-Ms": str(int(seconds * 900))}
        if request_id.get():
            headers["X-Request-ID"] = str(request_id.get())
        if traceparent.get():
            headers["traceparent"] = str(traceparent.get())
        if self._token is not None:
            headers["Authorization"] = f"Bearer {await self._token()}"
        return headers


class ServiceToken:
    """A service's own access token by client credentials (RFC 6749 section 4.4), cached and renewed before it ends."""

    def __init__(self, auth: ServiceClient, client_id: str, secret: str, now: Clock) -> None:
        self._auth, self._now, self._turn = auth, now, asyncio.Lock()
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        self._token, self._renew_at = "", 0.0

    async def __call__(self) -> str:
        async with self._turn:
            now = self._now().timestamp()
            if not self._renew_at - 600 < now < self._renew_at:
                answer = await self._auth.call("POST", "/auth/token", data=self._form)
                self._token, self._renew_at = answer["access_token"], now + answer["expires_in"] - 60
            return self._token

    def discard(self) -> None:
        self._renew_at = 0.0


def _content(response: httpx.Response) -> Any:
    is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
    try:
        said = response.json() if response.content and (response.is_success or is_problem) else None
    except ValueError:
        raise Unavailable("A neighbour's answer cannot be read.", retry_after=2) from None
    if response.is_success:
        return said
    if response.status_code == 401:  # this service's own token, never the caller's
        raise Unavailable("A neighbour does not take this service's token.", retry_after=2)
    raise from_problem(response.status_code, said or {"detail": "The neighbour did not say why."})
