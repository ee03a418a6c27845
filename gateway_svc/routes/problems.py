"""The routes of the catalogue of public codes. The `type` of every problem document is one of their addresses."""

from __future__ import annotations

import functools
import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict
from pydantic.config import JsonDict

from gateway_svc.domain.problem_catalogue import CodePlace, ProblemCatalogue
from gateway_svc.domain.refusals import NoSuchProblem
from gateway_svc.routes.pages import PUBLIC_CACHING, STATIC_FOLDER, html_page
from shared.contracts.values import ReadModel
from shared.kit.content_negotiation import names_media_type
from shared.kit.problems import refusals

router = APIRouter(tags=["Documentation"])
JSON_HEADERS = {"Cache-Control": PUBLIC_CACHING, "Vary": "Accept"}
HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
EXAMPLE: JsonDict = {
    "code": "slot_taken",
    "type": "/problems/slot-taken",
    "title": "Slot taken",
    "status": 409,
    "detail": "The time slot is already booked.",
    "what_to_do": "Offer one of `alternatives`, or ask for free times again with `GET /slots`.",
    "places": ["code"],
}


class ProblemTypeOut(ReadModel):
    """What a code means. `status` is null for a code that occurs only in `errors` or `reasons`; `places` are the members that carry it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    code: str
    type: str
    title: str
    status: int | None
    detail: str
    what_to_do: str
    places: list[CodePlace]


class ProblemTypesOut(ReadModel):
    """All codes, in alphabetical order."""

    items: list[ProblemTypeOut]


@functools.cache
def load_catalogue() -> ProblemCatalogue:
    """Return the catalogue that `make docs` wrote into this package."""
    return ProblemCatalogue.from_json(json.loads((STATIC_FOLDER / "problems.json").read_text(encoding="utf-8")))


@router.get("/problems/", include_in_schema=False)
@router.get("/problems", response_model=ProblemTypesOut, responses=HTML, summary="What all codes mean", operation_id="list_problems")
async def list_problems(request: Request) -> Response:
    """Every `code` of a problem document. JSON if `Accept` names `application/json`, else a page."""
    entries = load_catalogue().entries()
    if _wants_json(request):
        body = ProblemTypesOut(items=[ProblemTypeOut.model_validate(entry) for entry in entries])
        return JSONResponse(body.model_dump(), headers=JSON_HEADERS)
    return _with_vary(html_page("problems.html", title="Errors", entries=entries))


@router.get(
    "/problems/{code}",
    response_model=ProblemTypeOut,
    responses=HTML | refusals(NoSuchProblem),
    summary="What a code means",
    operation_id="get_problem",
)
async def get_problem(request: Request, code: Annotated[str, Path(max_length=64, examples=["slot-taken"])]) -> Response:
    """What a code means and what to do; it is written as in `code` or as in `type`.

    JSON if `Accept` names `application/json`, else a page.
    """
    entry = load_catalogue().find(code)
    if entry is None:
        raise NoSuchProblem
    if _wants_json(request):
        return JSONResponse(ProblemTypeOut.model_validate(entry).model_dump(), headers=JSON_HEADERS)
    return _with_vary(html_page("problem.html", title=entry.title, entry=entry))


def _wants_json(request: Request) -> bool:
    return names_media_type(request.headers.get("accept", ""), "application/json")


def _with_vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept"
    return response
