"""Writes docs/events.md from shared/contracts/events.py. With `--check` it exits with 1 when the page is out of date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from gateway_svc.domain.asyncapi import asyncapi_document  # importable only after the line above

PAGE = Path(__file__).parent / "events.md"
HEAD = """# Events

Written by `make docs` from `shared/contracts/events.py`. Every event is a CloudEvents 1.0 JSON message on the durable topic exchange
`careslot.events`; the routing key is the event's type. Consumers recognise a repeated delivery by `id`. `subject` is the id of what the
event is about, and `data` has the fields listed here.

"""


def page() -> str:
    """Return the whole page, made from the AsyncAPI document that the gateway serves."""
    document = asyncapi_document({"version": "1"})
    components = document["components"]
    sections = [section(message, name, components["schemas"]) for name, message in components["messages"].items()]
    return HEAD + "\n".join(sections)


def section(message: dict[str, Any], name: str, schemas: dict[str, Any]) -> str:
    """Return the section of one event: its description and a table of its fields."""
    rows = [f"| `{field_name}` | {type_name(field, schemas)} |" for field_name, field in schemas[name]["properties"].items()]
    return "\n".join((f"## `{message['name']}`", message["summary"], "", "| field | type |", "|---|---|", *rows, ""))


def type_name(field: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return the type of a field of a JSON schema, for readers: the values of an enumeration, or the name of another schema."""
    if "anyOf" in field:
        return " or ".join(type_name(option, schemas) for option in field["anyOf"])
    if "$ref" in field:
        name = str(field["$ref"]).rsplit("/", 1)[-1]
        return type_name(schemas[name], schemas) if "enum" in schemas[name] else name
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    return str(field.get("format") or field.get("type", "any"))


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page())
    PAGE.write_text(page())
