"""Exception handlers: every failed request is answered with a problem document."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from shared.contracts.refusals import Refusal, Unavailable
from shared.kit.logs import log_event
from shared.kit.problems import from_validation, json_problem, problem_document, problem_response
from shared.kit.retry import TransactionAborted

INTERNAL_ERROR = "internal_error"
INTERNAL_ERROR_DETAIL = "An unexpected error occurred."
HTTP_CODES = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}
HTTP_DETAILS = {
    400: "The request is malformed.",
    404: "There is no such resource.",
    405: "The resource does not have this method.",
    413: "The body is larger than this API accepts.",
    415: "The media type is not supported.",
}


def install_exception_handlers(app: FastAPI) -> None:
    """Answer refusals, validation errors, Starlette's HTTP exceptions and aborted transactions with problem documents."""
    app.add_exception_handler(Refusal, _handle_refusal)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(TransactionAborted, _handle_aborted_transaction)


async def _handle_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem_response(error, request.url.path)


async def _handle_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(from_validation(error), request.url.path)


async def _handle_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    code = HTTP_CODES.get(status, "refused")
    title = code.replace("_", " ").capitalize()
    document = problem_document(status, code, title, HTTP_DETAILS.get(status, "The request was refused."), request.url.path)
    headers = {"Allow": ", ".join(sorted(allowed_methods(request.scope)))} if status == 405 else error.headers
    return json_problem(status, document, headers)


def allowed_methods(scope: Scope) -> set[str]:
    """Return the methods of all routes that match the path of a request. ContentMiddleware answers HEAD wherever there is GET."""
    matching = [route for route in scope["app"].routes if route.matches(scope)[0] is not Match.NONE]
    methods = {method for route in matching for method in getattr(route, "methods", None) or ()}
    return methods | {"HEAD"} if "GET" in methods else methods


async def _handle_aborted_transaction(request: Request, error: Exception) -> Response:
    """Answer 503. A use case that does not retry its transaction is a bug, so it is logged as an error."""
    log_event("transaction_not_retried", logging.ERROR, error=error)
    return problem_response(Unavailable("The database is too busy.", retry_after=1), request.url.path)


def internal_error_response(instance: str, error: Exception) -> Response:
    """Log an unexpected exception and return a 500 without any detail of it."""
    log_event("unhandled_exception", logging.ERROR, error=error)
    document = problem_document(500, INTERNAL_ERROR, "Internal error", INTERNAL_ERROR_DETAIL, instance)
    return json_problem(500, document)
