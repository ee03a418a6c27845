"""The documentation of the API, from the files of this package: the OpenAPI and the AsyncAPI document, Swagger UI, and the guides."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse

from gateway_svc.domain.asyncapi import asyncapi_document
from gateway_svc.domain.openapi_merge import INFO
from gateway_svc.domain.refusals import NoSuchPath
from gateway_svc.routes.pages import GUIDES, PUBLIC_CACHING, STATIC_FOLDER, guide_content, html_page
from gateway_svc.usecases.openapi_document import OpenApiDocument
from shared.kit.content_negotiation import names_media_type
from shared.kit.use_cases import use_case

MEDIA_TYPES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
    "pages.css": "text/css",
}
ENTRY_POINTS = {
    "name": "Careslot",
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "asyncapi": "/asyncapi.json",
    "problems": "/problems",
    "status": "/status",
}
# Swagger UI writes style attributes and uses data: images. It loads files from this origin only, and calls this origin only.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Careslot API</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
  <div id="swagger-ui"></div>
  <noscript>This page needs JavaScript. The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
  <script src="/docs/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
"""
router = APIRouter(include_in_schema=False)
Document = Annotated[OpenApiDocument, use_case(OpenApiDocument)]


@router.get("/openapi.json")
async def get_openapi_document(document: Document) -> Response:
    """Return the merged OpenAPI document of all services."""
    body = await document.get()
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-cache", "ETag": entity_tag(body)})


@router.get("/")
async def get_entry_points(request: Request) -> Response:
    """Redirect browsers to the documentation; return ENTRY_POINTS to programs."""
    if names_media_type(request.headers.get("accept", ""), "text/html"):
        return RedirectResponse("/docs", headers={"Vary": "Accept"})
    return JSONResponse(ENTRY_POINTS, headers={"Vary": "Accept"})


@router.get("/asyncapi.json")
async def get_asyncapi_document() -> Response:
    """Return the AsyncAPI document of the events."""
    body = _asyncapi_json()
    return Response(body, media_type="application/json", headers={"Cache-Control": PUBLIC_CACHING, "ETag": entity_tag(body)})


@functools.cache
def _asyncapi_json() -> bytes:
    info = {"version": INFO["version"], "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}}
    return json.dumps(asyncapi_document(info), separators=(",", ":")).encode()


@router.get("/docs/")
@router.get("/docs")
async def get_docs_page() -> HTMLResponse:
    """Return the page that shows Swagger UI."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/guides/{name}")
async def get_guide(name: str) -> HTMLResponse:
    """Return a guide as a page. Raises NoSuchPath for a name that is not in GUIDES."""
    if name not in GUIDES:
        raise NoSuchPath
    return html_page("page.html", title=GUIDES[name], content=guide_content(name))


@router.get("/docs/{name}")
async def get_docs_file(name: str) -> FileResponse:
    """Return a file of Swagger UI. Raises NoSuchPath for a file that is not in MEDIA_TYPES."""
    if name not in MEDIA_TYPES:
        raise NoSuchPath
    return FileResponse(STATIC_FOLDER / name, media_type=MEDIA_TYPES[name], headers={"Cache-Control": PUBLIC_CACHING})


@functools.lru_cache(maxsize=2)
def entity_tag(body: bytes) -> str:
    """Return the ETag of a document without a version: a digest of its content."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
