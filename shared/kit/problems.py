"""Problem documents (RFC 9457). Only this module maps families of refusals to HTTP status codes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from fastapi import Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError

from shared.contracts import refusals as families
from shared.contracts.refusals import Refusal
from shared.contracts.values import format_instant
from shared.kit.logs import request_id


class HttpRefusal(Refusal):
    """The base of refusals that only HTTP knows. They have a status of their own instead of that of a family."""

    status: int


class Malformed(HttpRefusal):
    """Raised when the body is not JSON as RFC 8259 and this API define it."""

    status = 400
    code = "malformed_json"
    detail = "The body is not valid JSON."
    remedy = "Send JSON as RFC 8259 defines it: UTF-8, no NaN or Infinity, no lone surrogates, not nested too deeply."


class DuplicateKey(Malformed):
    """Raised when a JSON object has the same key twice."""

    code = "duplicate_key"
    detail = "A key occurs twice in one JSON object."
    remedy = "Send every key of an object once."


class BodyTooLarge(HttpRefusal):
    """Raised when the body is larger than the limit."""

    status = 413
    code = "body_too_large"
    detail = "The body is larger than this API accepts."
    remedy = "Send less: a body may have 64 KiB, and a file to import 8 MiB."


class UnsupportedMediaType(HttpRefusal):
    """Raised when the body has another media type than the route takes."""

    status = 415
    code = "unsupported_media_type"
    detail = "Send application/json."
    remedy = "Send the body as JSON with `Content-Type: application/json`."


class UnsupportedContentEncoding(UnsupportedMediaType):
    """Raised when the body is compressed or encoded in another way."""

    code = "unsupported_content_encoding"
    detail = "Send the body without Content-Encoding: this API does not decompress requests."
    remedy = "Send the body as it is, without `Content-Encoding`."


STATUS: dict[type[Refusal], int] = {
    families.Invalid: 422,
    families.Unauthenticated: 401,
    families.Forbidden: 403,
    families.NotFound: 404,
    families.Conflict: 409,
    families.Gone: 410,
    families.Stale: 412,
    families.PreconditionRequired: 428,
    families.TooMany: 429,
    families.Unavailable: 503,
}
FAMILY_OF_STATUS = {status: family for family, status in STATUS.items()}
DOCUMENT_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "code", "request_id"})
MAX_ERRORS = 50
MAX_REPEATED_CHARACTERS = 100
ACCEPTED_ENCODINGS = {"Accept-Encoding": "identity"}  # RFC 9110 section 15.5.16
VALIDATION_FAILED, UPSTREAM_FAILED = "validation_failed", "upstream_failed"
PROBLEM_TYPE = "application/problem+json"
EXAMPLE_REQUEST_ID = "9f1c2b7e5a4d4c0f"
VALIDATION_DETAIL = "The request contains invalid values."
# A problem document gets one of these codes when it is the only one of them among the field errors.
PUBLIC_FIELD_CODES = {
    "offset_required": "An instant has no offset, such as Z or +02:00.",
    "not_an_instant": "An instant is not an RFC 3339 date-time.",
    "out_of_range": "An instant or a date lies outside of the accepted range.",
    "unknown_time_zone": "A time zone is not an IANA name, such as Europe/Berlin.",
    "control_character": "A text contains a control character, or a line break where it must be one line, or it shows nothing.",
    "not_an_email": "A value is not an email address.",
    "unknown_parameter": "The operation does not have such a parameter.",
}


def status_of(kind: type[Refusal]) -> int:
    """Return the HTTP status of a refusal class: its own, or that of its family."""
    if issubclass(kind, HttpRefusal):
        return kind.status
    return next(STATUS[base] for base in kind.__mro__ if base in STATUS)


def problem_document(status: int, code: str, title: str, detail: str, instance: str) -> dict[str, Any]:
    """Return the standard members of a problem document. The path `instance` is cut after MAX_REPEATED_CHARACTERS."""
    return {
        "type": f"/problems/{code.replace('_', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance[:MAX_REPEATED_CHARACTERS],
        "code": code,
        "request_id": request_id.get(),
    }


def json_problem(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return a response that carries a problem document."""
    return Response(json.dumps(body, default=str).encode(), status, headers, media_type=PROBLEM_TYPE)


def problem_response(refusal: Refusal, instance: str) -> Response:
    """Return the response to a refusal. Its facts become members of the document, but never replace the standard ones."""
    status = status_of(type(refusal))
    facts = jsonable_encoder(refusal.facts, custom_encoder={datetime: format_instant})
    if (pointer := facts.pop("pointer", None)) is not None:
        facts["errors"] = [field_error(pointer, refusal.code, refusal.detail)]
    body = facts | problem_document(status, refusal.code, refusal.title, refusal.detail, instance)
    return json_problem(status, body, refusal_headers(refusal))


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """Return the headers that RFC 6750 section 3, RFC 6585 section 4 and RFC 9110 sections 10.2.3 and 15.5.16 ask for."""
    if isinstance(refusal, UnsupportedContentEncoding):
        return ACCEPTED_ENCODINGS
    status = status_of(type(refusal))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status in (429, 503):
        headers["Retry-After"] = str(refusal.facts.get("retry_after", 1))
    if status in (401, 429):
        headers["Cache-Control"] = "no-store"
    return headers


def from_problem(status: int, body: Mapping[str, Any]) -> Refusal:
    """Return the refusal behind another service's problem document, with its code, detail and facts.

    A status that no family has, such as 500 or 415, means that one of the two services has a bug; it becomes Unavailable.
    """
    family = FAMILY_OF_STATUS.get(status, families.Unavailable)
    facts = {name: value for name, value in body.items() if name not in DOCUMENT_MEMBERS}
    return family(str(body.get("detail", "")), code=str(body.get("code", UPSTREAM_FAILED)), **facts)


def from_validation(error: RequestValidationError) -> families.Invalid:
    """Return the refusal of an input that failed validation: up to MAX_ERRORS errors, without the values that were sent."""
    details = error.errors()[:MAX_ERRORS]
    errors = [field_error(json_pointer(detail["loc"]), detail["type"], detail["msg"]) for detail in details]
    public_codes = {detail["type"] for detail in details if "ctx" not in detail} & PUBLIC_FIELD_CODES.keys()
    code = public_codes.pop() if len(public_codes) == 1 else VALIDATION_FAILED
    return families.Invalid(VALIDATION_DETAIL, code=code, errors=errors)


def field_error(pointer: str, code: str, detail: str) -> dict[str, str]:
    """Return an item of `errors`."""
    return {"pointer": pointer, "code": code, "detail": detail}


def json_pointer(location: tuple[Any, ...]) -> str:
    """Return the JSON pointer (RFC 6901) of an error, without the leading word for body, query, path or header.

    A pointer of more than MAX_REPEATED_CHARACTERS, which can only name an unknown field, is cut and ends with an ellipsis.
    """
    parts = location[1:] if location and location[0] in {"body", "query", "path", "header"} else location
    pointer = "".join("/" + str(part)[:MAX_REPEATED_CHARACTERS].replace("~", "~0").replace("/", "~1") for part in parts)
    if len(pointer) <= MAX_REPEATED_CHARACTERS:
        return pointer
    return pointer[: MAX_REPEATED_CHARACTERS - 1].removesuffix("~") + "\N{HORIZONTAL ELLIPSIS}"


def refusals(*kinds: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route: its refusals by status, with the code, the detail and an example of each."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        entry = by_status.setdefault(status_of(kind), {"description": "", "content": problem_content()})
        entry["content"] = problem_content(*example_documents(entry), example_problem(kind))
        entry["description"] = "; ".join(filter(None, [entry["description"], f"`{kind.code}`: {kind.detail}"]))
    return by_status


def problem_content(*documents: dict[str, Any]) -> dict[str, Any]:
    """Return the `content` of a documented refusal, with the given problem documents as its examples."""
    examples = {document["code"]: {"value": document} for document in documents}
    return {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}


def example_problem(kind: type[Refusal]) -> dict[str, Any]:
    """Return the problem document of a refusal with its example facts.

    `errors` has an item for each of its example pointers; `fit_problem_examples` chooses one of them.
    """
    errors = [field_error(pointer, kind.code, kind.detail) for pointer in kind.example_pointers]
    document = example_document(status_of(kind), kind.code, kind.detail)
    return {**document, **kind.example_facts, **({"errors": errors} if errors else {})}


def example_document(status: int, code: str, detail: str) -> dict[str, Any]:
    """Return the standard members of an example. `instance` is set where the operation is known."""
    return problem_document(status, code, Refusal(code=code).title, detail, "/") | {"request_id": EXAMPLE_REQUEST_ID}


def example_documents(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the problem documents that are examples of a documented response."""
    for example in response.get("content", {}).get(PROBLEM_TYPE, {}).get("examples", {}).values():
        yield example["value"]
