"""HTML pages of the documentation, rendered from the templates and texts of this package. They need no script and load one stylesheet."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

PACKAGE_FOLDER = Path(__file__).parent.parent
STATIC_FOLDER = PACKAGE_FOLDER / "static"
GUIDES = {
    "authentication": "Authentication",
    "paging": "Paging",
    "idempotency": "Idempotency",
    "concurrency": "Concurrency",
    "time": "Time",
    "rate-limits": "Rate limits",
    "messages": "Messages",
    "webhooks": "Webhooks",
}
# Pages load a stylesheet and icons from this origin, and nothing else.
CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'"
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
PUBLIC_CACHING = "public, max-age=3600"


@functools.cache
def _templates() -> Environment:
    environment = Environment(loader=FileSystemLoader(PACKAGE_FOLDER / "templates"), autoescape=True, trim_blocks=True)
    environment.filters["sentence"] = lambda text: Markup(MARKDOWN.renderInline(text))
    return environment


def html_page(template: str, *, title: str, **values: Any) -> HTMLResponse:
    """Return a rendered page with the navigation of the documentation."""
    content = _templates().get_template(template).render(title=title, guides=GUIDES, **values)
    return HTMLResponse(content, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": PUBLIC_CACHING})


@functools.cache
def guide_content(name: str) -> Markup:
    """Return the text of a guide of GUIDES as HTML."""
    text = (STATIC_FOLDER / "guides" / f"{name}.md").read_text(encoding="utf-8")
    return Markup(MARKDOWN.render(text))
