"""Problem documents (RFC 9457): the one place that maps families of refusals to status numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError

from shared.contracts import refusals as families
from shared.contracts.refusals import Refusal
from shared.contracts.values import format_instant
from shared.kit.logs import request_id

STATUS: dict[type[Refusal], int] = {
    families.Invalid: 422,
    families.Unauthenticated: 401,
    families.Forbidden: 403,
    families.NotFound: 404,
    families.Conflict: 409,
    families.Stale: 412,
    families.PreconditionRequired: 428,
    families.TooMany: 429,
    families.Unavailable: 503,
}
MOST_ERRORS = 50
BY_STATUS = {status: family for family, status in STATUS.items()}


class Malformed(Refusal):
    """The body is not JSON as RFC 8259 and this API have it."""

    code = "malformed_json"
    status = 400


class DuplicateKey(Malformed):
    """A key stands twice in one JSON object."""

    code = "duplicate_key"


class BodyTooLarge(Malformed):
    """The body is larger than this API takes."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaType(Malformed):
    """Send application/json."""

    code = "unsupported_media_type"
    status = 415


def status_of(refusal: Refusal) -> int:
    return getattr(refusal, "status", None) or next(STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS)


def problem_document(status: int, code: str, title: str, detail: str, instance: str) -> dict[str, Any]:
    """A problem's own members; facts stand beside them and never in their place."""
    return {
        "type": f"/problems/{code.replace('_', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id.get(),
    }


def headers_of(status: int, facts: Mapping[str, Any]) -> dict[str, str]:
    """What HTTP wants beside the document: RFC 6750 section 3 and RFC 9110 section 10.2.3."""
    if status == 401:
        return {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
    if status in (429, 503):
        return {"Retry-After": str(facts.get("retry_after", 1))}
    return {}


def json_problem(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(body, default=str).encode(), status, headers, media_type="application/problem+json")


def problem_response(refusal: Refusal, instance: str) -> Response:
    """The answer to a refusal, ready to send."""
    status, facts = status_of(refusal), jsonable_encoder(refusal.facts, custom_encoder={datetime: format_instant})
    if pointer := facts.pop("pointer", None):
        facts["errors"] = [{"pointer": pointer, "code": refusal.code, "detail": refusal.detail}]
    body = facts | problem_document(status, refusal.code, refusal.title, refusal.detail, instance)
    return json_problem(status, body, headers_of(status, facts))


def from_problem(status: int, body: Mapping[str, Any]) -> Refusal:
    """A neighbour's problem answer as the refusal it was; a fault of ours or of the neighbour is Unavailable."""
    family = BY_STATUS.get(status, families.Unavailable)
    kind: Any = type("Relayed", (family,), {"code": str(body.get("code", "upstream_failed"))})
    kind.title = str(body.get("title", "Relayed"))
    own = {"type", "title", "status", "detail", "instance", "code", "request_id"}
    refusal: Refusal = kind(str(body.get("detail", "")), **{key: value for key, value in body.items() if key not in own})
    return refusal


def from_validation(error: RequestValidationError) -> families.Invalid:
    """The faults of an input, up to a number, without what was sent. One fault with a code of our own names the whole."""
    faults = error.errors()[:MOST_ERRORS]
    errors = [{"pointer": pointer_to(fault["loc"]), "code": fault["type"], "detail": fault["msg"]} for fault in faults]
    ours = {fault["type"] for fault in faults if "ctx" not in fault and fault["type"] in SPEAKING}
    kind = type("ValidationFailed", (families.Invalid,), {"code": ours.pop() if len(ours) == 1 else "validation_failed"})
    refusal: families.Invalid = kind("The input is wrong.", errors=errors)
    return refusal


SPEAKING = {
    "offset_required",
    "not_an_instant",
    "out_of_range",
    "unknown_time_zone",
    "control_character",
    "not_an_email",
    "unknown_parameter",
}


def pointer_to(location: tuple[Any, ...]) -> str:
    """RFC 6901, without the word that says whether it stood in the body, the query or the path."""
    parts = location[1:] if location and location[0] in {"body", "query", "path", "header"} else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def refusals(*kinds: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: its refusals by status, each with its codes."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status = getattr(kind, "status", None) or next(STATUS[base] for base in kind.__mro__ if base in STATUS)
        said = by_status.setdefault(
            status, {"description": "", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        )
        said["description"] = "; ".join(filter(None, [said["description"], f"`{kind.code}`: {' '.join((kind.__doc__ or '').split())}"]))
    return by_status
