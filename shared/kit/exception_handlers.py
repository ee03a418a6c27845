"""Every corner of an app answers with problem documents: refusals, wrong inputs, unknown paths, crashes."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.contracts.refusals import Refusal
from shared.kit.logs import log
from shared.kit.problems import from_validation, json_problem, problem_document, problem_response

TITLES = {
    400: "Malformed request",
    404: "No such resource",
    405: "Method not allowed",
    413: "Content too large",
    415: "Unsupported media type",
}
CODES = {400: "malformed_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}


def install(app: FastAPI) -> None:
    """Every corner of the app answers with problem documents."""

    async def on_refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return _private(request, problem_response(error, request.url.path))

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _private(request, problem_response(from_validation(error), request.url.path))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title = TITLES.get(error.status_code, "Refused")
        code = CODES.get(error.status_code, "refused")
        return json_problem(
            error.status_code, problem_document(error.status_code, code, title, f"{title}.", request.url.path), error.headers
        )

    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def _private(request: Request, response: Response) -> Response:
    if request.scope.get("caller") is not None:
        response.headers["Cache-Control"] = "no-store"
    return response


def crashed(instance: str) -> Response:
    """500 with no detail; the log has it."""
    log.exception("unhandled")
    return json_problem(500, problem_document(500, "internal_error", "Internal error", "Something went wrong on our side.", instance))
