"""Reads the pages behind links, and what a browser would send from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

VOID = {"meta", "link"}


@dataclass
class Form:
    """A form: where it is sent to, how, its buttons, and its fields."""

    action: str
    method: str
    buttons: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


class ParsedPage(HTMLParser):
    """What is on a page: language, title, headings, the list of details, forms and all addresses. Fails for unbalanced tags."""

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self.url, self.text = url, text
        self.language = ""
        self.title = ""
        self.headings: list[tuple[str, str]] = []
        self.details: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.addresses: list[str] = []
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: dict[str, Any] = dict(attrs)
        self.elements.append(tag)
        self.attributes |= values.keys()
        self.addresses += [values[name] for name in ("href", "src") if name in values]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "html":
            self.language = values["lang"]
        if tag == "form":
            self.forms.append(Form(urljoin(self.url, values["action"]), values["method"]))
        if tag in ("button", "input") and self.forms:
            self.forms[-1].names += [values["name"]] if "name" in values else []
            self.forms[-1].buttons += [""] if tag == "button" else []
        if tag in ("h1", "h2"):
            self.headings.append((tag, ""))
        if tag == "dt":
            self.details.append(("", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        text, tag = data.strip(), self._open[-1] if self._open else ""
        if not text:
            return
        if tag == "title":
            self.title += text
        elif tag == "button":
            self.forms[-1].buttons[-1] += text
        elif tag in ("h1", "h2"):
            self.headings[-1] = (tag, self.headings[-1][1] + text)
        elif tag in ("dt", "dd"):
            label, value = self.details[-1]
            self.details[-1] = (label + text, value) if tag == "dt" else (label, value + text)
