"""HTTP client for the other services: service token, deadline, circuit breakers, load balancing, and problem responses as refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
MIN_RETRY_SECONDS = 0.2
MIN_JUDGED_SECONDS = 0.2  # an address that had less time than this and did not answer has not failed
MAX_CONCURRENT_CALLS = 64
FORWARDED_TIMEOUT_SHARE = 0.9  # the called service gets less time than this one has, so that its refusal arrives in time
IDEMPOTENT_METHODS = frozenset({"GET", "PUT", "DELETE"})
CONNECT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout)
TOKEN_LIFETIME_SECONDS, RENEW_BEFORE_SECONDS = 600, 60
M = TypeVar("M", bound=BaseModel)


@asynccontextmanager
async def acquire_in_time(lock: asyncio.Lock | asyncio.Semaphore, detail: str) -> AsyncIterator[None]:
    """Hold a lock. Raises Unavailable with `detail` when the deadline of the current request comes before the lock is free."""
    try:
        async with asyncio.timeout(remaining_seconds(TIMEOUT_SECONDS)):
            await lock.acquire()
    except TimeoutError:
        raise Unavailable(detail, retry_after=1) from None
    try:
        yield
    finally:
        lock.release()


class TokenSource(Protocol):
    """Provides this service's own access token."""

    async def __call__(self) -> str: ...

    def discard(self) -> None:
        """Fetch a new token before the next call, because this one was refused."""


class ServiceClient:
    """A client of one service. It uses the service's addresses in turn, and skips those that fail."""

    def __init__(self, service: Service, urls: Sequence[str], http: httpx.AsyncClient, token: TokenSource | None) -> None:
        self._service, self._urls, self._http, self._token = service, list(urls), http, token
        self.breakers = {url: Breaker() for url in self._urls}
        self._call_slots = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self._last_url = 0

    async def get(self, path: str, response_model: type[M], **params: Any) -> M:
        """Return the resource. Raises as `call` does."""
        return response_model.model_validate(await self.call("GET", path, params=params))

    async def get_or_none(self, path: str, response_model: type[M]) -> M | None:
        """Return the resource, or None when the service answers 404."""
        try:
            return await self.get(path, response_model)
        except NotFound:
            return None

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | dict[str, Any] | None = None,
        params: Any = None,
        data: Any = None,
        is_repeatable: bool = False,
    ) -> Any:
        """Return the JSON of a 2xx response. `data` is sent as a form; parameters that are None are left out.

        A problem response is raised as the refusal that it describes. Raises Unavailable when the service does not answer in time. A failed
        call is made once more, at the next address, if no connection could be opened, if its method is idempotent, or if `is_repeatable`
        says that the body has an id by which the service recognises a repetition.
        """
        payload = body.model_dump(mode="json", exclude_none=True) if isinstance(body, BaseModel) else body
        query = {name: value for name, value in (params or {}).items() if value is not None}
        for attempt in (1, 2):
            try:
                return await self._call_once(method, path, json=payload, params=query, data=data)
            except (httpx.TransportError, TimeoutError) as error:
                may_repeat = is_repeatable or method in IDEMPOTENT_METHODS or isinstance(error, CONNECT_ERRORS)
                if attempt == 2 or not may_repeat or remaining_seconds(TIMEOUT_SECONDS) < MIN_RETRY_SECONDS:
                    raise Unavailable(f"{self._service} does not answer.", retry_after=2) from error

    async def _call_once(self, method: str, path: str, **content: Any) -> Any:
        """Make one attempt. Waiting for the token and for a free call comes first, so that it never counts as a failure of an address."""
        self._require_address()
        token_headers = {"Authorization": f"Bearer {await self._token()}"} if self._token is not None else {}
        async with acquire_in_time(self._call_slots, f"Too many calls of {self._service} are in progress."):
            response = await self._request(method, path, headers=token_headers, **content)
        if response.status_code == 401 and self._token is not None:
            self._token.discard()
        return _content(response)

    async def _request(self, method: str, path: str, *, headers: dict[str, str], **content: Any) -> httpx.Response:
        """Send a request to the next address, and record the result in its breaker.

        A call that is cancelled, or that had less than MIN_JUDGED_SECONDS until the deadline, is not recorded as a failure.
        """
        url, seconds = self._next_url(), remaining_seconds(TIMEOUT_SECONDS)
        breaker = self.breakers[url]
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.request(method, url + path, headers=headers | _context_headers(seconds), **content)
        except httpx.TransportError:
            breaker.record_failure()
            raise
        except TimeoutError:
            if seconds >= MIN_JUDGED_SECONDS:
                breaker.record_failure()
            else:
                breaker.record_abandoned()
            raise
        except BaseException:
            breaker.record_abandoned()
            raise
        breaker.record_success()
        return response

    def _require_address(self) -> None:
        """Raise Unavailable at once if no address may be called now."""
        if all(breaker.is_open for breaker in self.breakers.values()):
            raise Unavailable(f"{self._service} does not answer.", retry_after=2)

    def _next_url(self) -> str:
        for _ in self._urls:
            self._last_url = (self._last_url + 1) % len(self._urls)
            if self.breakers[self._urls[self._last_url]].admit():
                return self._urls[self._last_url]
        raise Unavailable(f"{self._service} does not answer.", retry_after=2)


class ServiceToken:
    """This service's own access token by client credentials (RFC 6749 section 4.4), cached and renewed before it expires."""

    def __init__(self, auth: ServiceClient, client_id: str, secret: str, now: Clock) -> None:
        self._auth, self._now, self._fetch_lock = auth, now, asyncio.Lock()
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        self._token, self._renew_at = "", 0.0

    async def __call__(self) -> str:
        async with acquire_in_time(self._fetch_lock, f"{Service.AUTH} does not answer."):
            now = self._now().timestamp()
            if not self._renew_at - TOKEN_LIFETIME_SECONDS < now < self._renew_at:  # the first comparison fails when the clock was set back
                response = await self._auth.call("POST", "/auth/token", data=self._form)
                self._token, self._renew_at = response["access_token"], now + response["expires_in"] - RENEW_BEFORE_SECONDS
            return self._token

    def discard(self) -> None:
        """Fetch a new token before the next call, because this one was refused."""
        self._renew_at = 0.0


def _context_headers(seconds: float) -> dict[str, str]:
    """Return the headers with the deadline, the request id and the trace of the current request."""
    headers = {"X-Timeout-Ms": str(int(seconds * 1000 * FORWARDED_TIMEOUT_SHARE))}
    if request_id.get():
        headers["X-Request-ID"] = str(request_id.get())
    if traceparent.get():
        headers["traceparent"] = str(traceparent.get())
    return headers


def _content(response: httpx.Response) -> Any:
    """Return the JSON of a success, or raise the refusal that the problem document describes."""
    is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
    try:
        content = response.json() if response.content and (response.is_success or is_problem) else None
    except ValueError:
        raise Unavailable("Another service sent a response that cannot be read.", retry_after=2) from None
    if response.is_success:
        return content
    if response.status_code == 401:  # about this service's own token; the caller must not take it for theirs
        raise Unavailable("Another service does not accept this service's token.", retry_after=2)
    raise from_problem(response.status_code, content or {"detail": "The other service gave no reason."})
