"""The documentation of the API: the public OpenAPI document, and Swagger UI, served from the files of this package."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, HTMLResponse

from gateway_svc.domain.refusals import NoSuchPath
from gateway_svc.usecases.openapi_document import OpenApiDocument
from shared.kit.use_cases import use_case

STATIC_FOLDER = Path(__file__).parent.parent / "static"
MEDIA_TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript", "start.js": "text/javascript"}
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


@router.get("/docs")
async def get_docs_page() -> HTMLResponse:
    """Return the page that shows Swagger UI."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})


@router.get("/docs/{name}")
async def get_docs_file(name: str) -> FileResponse:
    """Return a file of Swagger UI. Raises NoSuchPath for a file that is not in MEDIA_TYPES."""
    if name not in MEDIA_TYPES:
        raise NoSuchPath
    return FileResponse(STATIC_FOLDER / name, media_type=MEDIA_TYPES[name], headers={"Cache-Control": "public, max-age=3600"})


@lru_cache(maxsize=2)
def entity_tag(body: bytes) -> str:
    """Return the ETag of a document without a version: a digest of its content."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
