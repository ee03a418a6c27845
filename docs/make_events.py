"""Writes docs/events.md from shared/contracts/events.py. With `--check` it exits with 1 when the page is out of date."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from shared.contracts.events import TOPICS, Event  # importable only after the line above

PAGE = Path(__file__).parent / "events.md"
HEAD = """# Events

Written by `make docs` from `shared/contracts/events.py`. Every event is a CloudEvents 1.0 JSON message on the durable topic exchange
`careslot.events`; the routing key is the event's type. Consumers recognise a repeated delivery by `id`. `subject` is the id of what the
event is about, and `data` has the fields listed here.

"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "\n".join(section(topic, event_class) for topic, event_class in sorted(TOPICS.items()))


def section(topic: str, event_class: type[Event]) -> str:
    """Return the section of one event: its docstring and a table of its fields."""
    description = " ".join((event_class.__doc__ or "").split())
    fields = event_class.model_json_schema()["properties"]
    rows = [f"| `{name}` | {type_name(field)} |" for name, field in fields.items() if name not in ("id", "occurred_at")]
    return "\n".join((f"## `{topic}`", description, "", "| field | type |", "|---|---|", *rows, ""))


def type_name(field: dict[str, object]) -> str:
    """Return the type of a field of a JSON schema, for readers."""
    if "anyOf" in field:
        return " or ".join(type_name(option) for option in field["anyOf"])  # type: ignore[attr-defined]
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])  # type: ignore[attr-defined]
    return str(field.get("format") or field.get("type", "any"))


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page())
    PAGE.write_text(page())
