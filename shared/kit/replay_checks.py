"""Checks before the stored answer to a repeated request is sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from shared.contracts.identity import Caller
from shared.kit.requests import RequestDependency, ServiceRequest


class ReplayCheck(RequestDependency):
    """A dependency of a POST route whose answer is about another person than the caller.

    The right to act for that person may have ended since the first request. `check` refuses a repeated request as it would be refused if it
    were the first one. It runs only before a stored answer is sent again: a request that runs is checked by its use case. Write
    `dependencies=[Depends(ReplayCheck(check))]` in the decorator of the route.
    """

    def __init__(self, check: Callable[[ServiceRequest, Caller, UUID], Awaitable[None]]) -> None:
        """`check` is called with the request, its caller and the operation's id, and raises the refusal."""
        self.check = check

    def resolve(self, request: ServiceRequest) -> None:
        """Return nothing: the endpoint does not see the check."""
