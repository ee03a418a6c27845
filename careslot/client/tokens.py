"""The tokens of the stored session. They are used while they are valid, and renewed by one process at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from careslot.client.environment import ClientEnvironment
from careslot.client.failures import NotSignedIn, RequestRefused, Unreachable
from careslot.client.profiles import SessionFile, StoredSession
from careslot.client.times import to_api

if TYPE_CHECKING:
    from careslot.client.api import ClientRequest

RENEW_BEFORE = timedelta(seconds=30)  # the end of the access token, so that a request does not outlive its token
SECRET_VARIABLE = "CARESLOT_CLIENT_SECRET"
ENDED = "Your session has ended. Sign in again with `careslot login`."


class SessionTokens:
    """The access token of a session file. `request_json` sends a request and returns the JSON of the response.

    A refresh token can be used once, and using it twice ends the session for all. So the file is locked while it is renewed, and read again
    under the lock: a second process finds the tokens that the first one got.
    """

    def __init__(self, file: SessionFile, environment: ClientEnvironment, request_json: Callable[[ClientRequest], Any]) -> None:
        self._file, self._environment, self._request_json = file, environment, request_json

    def current(self) -> str | None:
        """Return an access token that is valid for a while, or None without a session. Raises NotSignedIn if it cannot be renewed."""
        session = self._file.read()
        if session is None:
            return None
        return session.access_token if self._is_fresh(session) else self.renew(session.access_token)

    def renew(self, stale_token: str) -> str:
        """Return the token that replaces `stale_token`, which another process may have got already. Raises NotSignedIn."""
        with self._file.lock():
            session = self._file.read()
            if session is None:
                raise NotSignedIn(ENDED)
            if session.access_token == stale_token or not self._is_fresh(session):
                session = self._request_tokens(session)
                self._file.write(session)
            return session.access_token

    def account(self) -> dict[str, Any] | None:
        """Return who is signed in as `{id, email, full_name, role}`, or None for an API client and without a session."""
        session = self._file.read()
        return session.account if session else None

    def sign_in(self, email: str, password: str, otp: str | None) -> StoredSession:
        """Sign in a person, and store the session. Raises RequestRefused with `otp_required` when a one-time code is needed."""
        body = {"email": email, "password": password} | ({"otp": otp} if otp else {})
        return self._store(self._session_of_person(self._request_token("/auth/login", body)))

    def sign_in_client(self, client_id: str, secret: str) -> StoredSession:
        """Sign in an API client, and store the session. Its secret is not stored."""
        return self._store(self._session_of_client(client_id, secret))

    def _store(self, session: StoredSession) -> StoredSession:
        with self._file.lock():
            self._file.write(session)
        return session

    def _is_fresh(self, session: StoredSession) -> bool:
        return session.is_valid_at(self._environment.now() + RENEW_BEFORE)

    def _request_tokens(self, session: StoredSession) -> StoredSession:
        """Return the session with new tokens. A session that the server has ended is deleted."""
        if session.client_id is not None:
            secret = self._environment.variables.get(SECRET_VARIABLE)
            if not secret:
                raise NotSignedIn(f"The token of the API client has expired. Set {SECRET_VARIABLE} so that it can be renewed.")
            return self._session_of_client(session.client_id, secret)
        try:
            return self._session_of_person(self._request_token("/auth/refresh", {"refresh_token": session.refresh_token}))
        except RequestRefused as refusal:
            if refusal.status != 401:
                raise
            self._file.delete()
            raise NotSignedIn(ENDED) from None

    def _session_of_person(self, answer: dict[str, Any]) -> StoredSession:
        account = {name: (answer.get("account") or {}).get(name) for name in ("id", "email", "full_name", "role")}
        return StoredSession(str(answer["access_token"]), self._expiry(answer), answer.get("refresh_token"), None, account)

    def _session_of_client(self, client_id: str, secret: str) -> StoredSession:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        answer = self._request_token("/auth/token", form=form)
        return StoredSession(str(answer["access_token"]), self._expiry(answer), None, client_id, None)

    def _request_token(self, path: str, body: Any = None, form: dict[str, str] | None = None) -> dict[str, Any]:
        from careslot.client.api import ClientRequest

        document = self._request_json(ClientRequest("POST", path, body=body, form=form, is_anonymous=True))
        if not isinstance(document, dict) or not {"access_token", "expires_in"} <= document.keys():
            raise Unreachable("The server does not answer to a sign-in as a Careslot platform does.")
        return document

    def _expiry(self, answer: dict[str, Any]) -> str:
        """Return the end of a new access token as RFC 3339."""
        return to_api(self._environment.now() + timedelta(seconds=int(answer["expires_in"])))
