"""The failures of the client's commands, and their exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

EXIT_CODES = {
    0: "done",
    1: "refused: the server does not allow it, or you answered a question with no",
    2: "usage: an option, a name, a time or a file is wrong, or `--yes` is missing in a script",
    3: "not signed in, or the sign-in was refused",
    4: "the server cannot be reached, does not answer in time or fails",
    130: "interrupted with Ctrl-C",
}


class ClientFailure(Exception):
    """A command cannot be carried out. `detail` is a sentence for people; `code` names the failure for scripts."""

    exit_code: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def to_problem(self) -> dict[str, Any]:
        """Return the failure in the form of a problem document (RFC 9457), with the members that the server's documents have."""
        return {
            "type": "about:blank",
            "title": self.code.replace("_", " ").capitalize(),
            "status": None,
            "detail": self.detail,
            "instance": None,
            "code": self.code,
            "request_id": None,
        }


class UsageFault(ClientFailure):
    """An option, a name, a time or a file is wrong."""

    exit_code = 2
    code = "usage"


class AmbiguousName(UsageFault):
    """A name fits several people or services. `candidates` are their names and ids."""

    code = "ambiguous_name"

    def __init__(self, detail: str, candidates: list[tuple[str, str]]) -> None:
        super().__init__(detail)
        self.candidates = candidates

    def to_problem(self) -> dict[str, Any]:
        """Return the failure as a problem document with the candidates."""
        return super().to_problem() | {"candidates": [{"id": id, "name": name} for id, name in self.candidates]}


class NotSignedIn(ClientFailure):
    """The command needs an account, or the session has ended."""

    exit_code = 3
    code = "not_signed_in"


class Unreachable(ClientFailure):
    """The server does not answer, answers too late, or is no Careslot server."""

    exit_code = 4
    code = "unreachable"


class Declined(ClientFailure):
    """The person at the terminal answered a question with no."""

    exit_code = 1
    code = "declined"


class RequestRefused(ClientFailure):
    """The server refused a request with a problem document."""

    code = "refused"

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or "The server refused the request."))
        self.problem = problem
        self.status = int(problem.get("status") or 0)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """Return 3 for a sign-in that was refused, 4 for a server that fails, 1 otherwise."""
        return 3 if self.status == 401 else 4 if self.status >= 500 else 1

    @property
    def problem_code(self) -> str:
        """Return the public code of the refusal, such as `slot_taken`."""
        return str(self.problem.get("code", ""))

    def to_problem(self) -> dict[str, Any]:
        """Return the server's problem document as it is; one that the command line made has the members that are missing."""
        return super().to_problem() | {"title": self.problem_code.replace("_", " ").capitalize()} | dict(self.problem)
