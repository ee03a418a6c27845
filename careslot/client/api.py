"""The client of the API: tokens, retries with one Idempotency-Key, waiting when the server asks for it, and pages of lists."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from careslot.client.environment import ClientEnvironment
from careslot.client.failures import NotSignedIn, RequestRefused, Unreachable, UsageFault
from careslot.client.profiles import SessionFile
from careslot.client.tokens import SessionTokens

MAX_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5
DEFAULT_RETRY_AFTER_SECONDS = 1.0
PAGE_SIZE = 100
MAX_ANSWER_BYTES = 64 * 1024 * 1024
HEADERS_OF_ENCODING = ("content-encoding", "content-length", "transfer-encoding")
CLOSED_CONNECTION = ("server disconnected", "peer closed connection")  # how httpx describes a server that stops while it answers
# Faults after which the server cannot have received the request, so that every request may be sent again.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class RequestTiming:
    """Seconds to wait for one answer, and in total when the server asks to come back later."""

    timeout: float
    max_wait: float


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A request. `body` is sent as JSON, `content` as it is; `key` is the Idempotency-Key."""

    method: str
    path: str
    params: dict[str, Any] | None = None
    body: Any = None
    content: bytes | None = None
    form: dict[str, str] | None = None
    headers: dict[str, str] | None = None
    key: str | None = None
    is_anonymous: bool = False

    @property
    def can_be_repeated(self) -> bool:
        """Return whether a second delivery has no second effect."""
        return self.method in ("GET", "HEAD") or self.key is not None


def new_key() -> str:
    """Return an Idempotency-Key. A command makes it once, however often it sends the request."""
    return uuid4().hex


class PlatformApi:
    """A client of the platform at `url`, signed in with the stored session if there is one. `print_note` shows a line to the user."""

    def __init__(
        self, url: str, environment: ClientEnvironment, file: SessionFile, timing: RequestTiming, print_note: Callable[[str], None]
    ) -> None:
        self._url, self._environment, self._timing, self._print_note = url, environment, timing, print_note
        self._waited_seconds = 0.0
        self._http = httpx.Client(
            base_url=url,
            transport=environment.transport,
            timeout=httpx.Timeout(timing.timeout, connect=min(10.0, timing.timeout)),
            headers={"User-Agent": "careslot-cli", "Accept": "application/json"},
        )
        self.tokens = SessionTokens(file, environment, self.request_json)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a GET. Parameters that are None are left out; lists are repeated."""
        return self.request_json(ClientRequest("GET", path, params))

    def get_anonymously(self, path: str) -> Any:
        """Return the JSON of a GET that needs no account, also when the session has ended."""
        return self.request_json(ClientRequest("GET", path, is_anonymous=True))

    def send(self, method: str, path: str, body: Any = None, *, key: str | None = None, if_match: Any = None, **params: Any) -> Any:
        """Send a change and return the JSON of the answer, None if it has none. A POST without `key` gets a key of its own."""
        headers = {"If-Match": f'"{if_match}"'} if if_match is not None else None
        key = key or (new_key() if method == "POST" else None)
        return self.request_json(ClientRequest(method, path, params, body, headers=headers, key=key))

    def end_session(self, refresh_token: str) -> None:
        """End the session of a refresh token, also when its access token has expired."""
        self.send_request(ClientRequest("POST", "/auth/logout", body={"refresh_token": refresh_token}, is_anonymous=True, key=new_key()))

    def request_json(self, request: ClientRequest) -> Any:
        """Send a request and return the JSON of the answer. Raises Unreachable if it is no JSON."""
        response = self.send_request(request)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise Unreachable(f"{self._url} does not answer as a Careslot platform does.") from None

    def pages(self, path: str, *, limit: int | None, after: str | None = None, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list, with at most `limit` items in total; None is all of them."""
        remaining = limit
        while remaining is None or remaining > 0:
            size = PAGE_SIZE if remaining is None else min(PAGE_SIZE, remaining)
            page: dict[str, Any] = self.get(path, limit=size, after=after, **params)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise Unreachable(f"{self._url} does not answer as a Careslot platform does.")
            yield page
            if page.get("next") in (None, after):  # a cursor that does not move on would never end
                return
            after = page["next"]
            remaining = None if remaining is None else remaining - len(page["items"])

    def items(self, path: str, **params: Any) -> list[Any]:
        """Return all items of a list."""
        return [item for page in self.pages(path, limit=None, **params) for item in page["items"]]

    def send_request(self, request: ClientRequest) -> httpx.Response:
        """Send a request, and renew the session once if its token is not accepted any more.

        Raises RequestRefused for a problem document, NotSignedIn, or Unreachable.
        """
        token = None if request.is_anonymous else self.tokens.current()
        response = self._send_with_retries(request, token)
        if response.status_code == 401 and token is not None:
            response = self._send_with_retries(request, self.tokens.renew(token))
        if response.status_code == 401 and not request.is_anonymous:
            raise NotSignedIn(f"You are not signed in at {self._url}. Sign in with `careslot login`.")
        if response.is_success or response.status_code == 304:
            return response
        raise RequestRefused(self._problem_of(response))

    def _send_with_retries(self, request: ClientRequest, token: str | None) -> httpx.Response:
        """Send a request as often as the network and `Retry-After` require, and return the answer to the last attempt."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                response = self._send_once(request, token)
            except httpx.TransportError as fault:
                if attempt == MAX_ATTEMPTS or not (request.can_be_repeated or isinstance(fault, NEVER_SENT)) or _is_permanent(fault):
                    raise Unreachable(f"{self._url} cannot be reached: {_description(fault, self._timing.timeout)}") from None
                self._environment.sleep(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
                continue
            if not self._is_to_be_repeated(request, response) or not self._wait_for_retry_after(response):
                return response
        return response

    def _send_once(self, request: ClientRequest, token: str | None) -> httpx.Response:
        headers = dict(request.headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if request.key:
            headers["Idempotency-Key"] = request.key
        params = {name: value for name, value in (request.params or {}).items() if value is not None}
        try:
            http_request = self._http.build_request(
                request.method,
                request.path,
                params=params or None,
                json=request.body,
                content=request.content,
                data=request.form,
                headers=headers,
            )
            return self._read(self._http.send(http_request, stream=True))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise UsageFault(f"{self._url} is not an address that can be called.") from None
        except UnicodeEncodeError:
            raise UsageFault("An argument has characters that cannot be sent: a key must be ASCII, all others UTF-8.") from None

    def _read(self, response: httpx.Response) -> httpx.Response:
        """Return a response whose content has been read. Raises Unreachable if it is larger than any answer of the platform."""
        content = bytearray()
        with contextlib.closing(response):
            for part in response.iter_bytes():
                content += part
                if len(content) > MAX_ANSWER_BYTES:
                    raise Unreachable(f"{self._url} sends more than {MAX_ANSWER_BYTES >> 20} MiB in one answer.")
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in HEADERS_OF_ENCODING]
        return httpx.Response(response.status_code, headers=headers, content=bytes(content), request=response.request)

    @staticmethod
    def _is_to_be_repeated(request: ClientRequest, response: httpx.Response) -> bool:
        """Return whether the server has not handled the request and may do so later.

        It has refused it because of a limit or during an outage, or it still handles an earlier attempt.
        """
        if response.status_code == 409:
            return request.key is not None and _json_object(response).get("code") == "request_in_progress"
        return response.status_code == 429 or (
            response.status_code == 503 and request.can_be_repeated and "retry-after" in response.headers
        )

    def _wait_for_retry_after(self, response: httpx.Response) -> bool:
        """Wait as long as `Retry-After` says. Returns False if that is longer than the command may wait in total."""
        try:
            seconds = float(response.headers.get("retry-after", DEFAULT_RETRY_AFTER_SECONDS))
        except ValueError:
            seconds = DEFAULT_RETRY_AFTER_SECONDS
        if not 0 <= seconds <= self._timing.max_wait - self._waited_seconds:
            return False
        self._waited_seconds += seconds
        if seconds >= 1:
            self._print_note(f"The server asks to wait {seconds:.0f} seconds.")
        self._environment.sleep(seconds)
        return True

    def _problem_of(self, response: httpx.Response) -> dict[str, Any]:
        """Return the problem document of an answer. Raises Unreachable if the answer has none, as from a server that is not ours."""
        problem = _json_object(response)
        if "code" in problem:
            return {"status": response.status_code} | problem
        if "error" in problem:  # RFC 6749, section 5.2
            detail = "The credentials are not accepted."
            return {"status": 401, "code": problem["error"], "title": problem["error"], "detail": detail, "request_id": None}
        if response.has_redirect_location:
            raise Unreachable(f"{self._url} has moved to {response.headers['location'][:200]}. Give that address with --url.")
        raise Unreachable(f"{self._url} answered with status {response.status_code}, but not as a Careslot platform does.")


def _json_object(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of an answer, an empty one if it has none."""
    try:
        document = json.loads(response.content)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_permanent(fault: httpx.TransportError) -> bool:
    """Return whether a second attempt would fail in the same way: the certificate is not trusted, or the server does not speak HTTP."""
    text = str(fault).lower()
    if isinstance(fault, httpx.RemoteProtocolError) and any(words in text for words in CLOSED_CONNECTION):
        return False
    return "certificate" in text or "ssl" in text or isinstance(fault, httpx.ProtocolError)


def _description(fault: httpx.TransportError, timeout: float) -> str:
    """Return in a sentence why no answer came."""
    text = str(fault)
    if "certificate" in text.lower():
        return f"its certificate is not trusted ({text.partition('certificate verify failed: ')[2].partition(' (')[0] or 'TLS'})."
    if "ssl" in text.lower():
        return "it does not speak TLS as expected. Check http and https in the address."
    if isinstance(fault, httpx.TimeoutException):
        return f"no answer within {timeout:.0f} seconds."
    return f"{text.rstrip('.') or type(fault).__name__}."
