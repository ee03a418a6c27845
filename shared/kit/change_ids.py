"""The id of a change by PUT, PATCH or DELETE: the same when the caller sends the same change again because no response arrived."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Depends

from shared.contracts.derived_ids import derive_id
from shared.kit.idempotency import Operation
from shared.kit.ids import new_id
from shared.kit.requests import RequestDependency, ServiceRequest


class ChangeDependency(RequestDependency):
    """A dependency that returns the operation of a change, for routes that need a caller.

    The id is derived from the caller, the request and the version in If-Match: a caller who sends the same change of the same version again
    means the same change (RFC 9110 section 13.1.1 allows a success response when it was applied). A change of any version gets a new id
    every time, unless the request has an Idempotency-Key.
    """

    def resolve(self, request: ServiceRequest) -> Operation:
        version, key = request.headers.get("if-match", "").strip(), request.headers.get("idempotency-key", "")
        if request.caller is None or (version in {"", "*"} and not key):
            return Operation(new_id())
        body = json.dumps(request.parsed_body, sort_keys=True)
        return Operation(derive_id(request.caller.id, request.method, request.url.path, request.url.query, version, key, body))


ChangeId = Annotated[Operation, Depends(ChangeDependency())]
