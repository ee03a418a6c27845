"""Writes docs/events.md from the contracts; with `--check` it only says whether the page is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from shared.contracts.events import TOPICS, Event  # the path comes first

PAGE = Path(__file__).parent / "events.md"
HEAD = """# Events

Written by `make docs` from `shared/contracts/events.py`. Every event is a CloudEvents 1.0 JSON message on the durable topic exchange
`careslot.events`, its routing key the type. `id` is the event's identity, `subject` the id of what it is about, `data` as below.

"""


def page() -> str:
    return HEAD + "\n".join(section(topic, kind) for topic, kind in sorted(TOPICS.items()))


def section(topic: str, kind: type[Event]) -> str:
    says = " ".join((kind.__doc__ or "").split())
    fields = kind.model_json_schema()["properties"]
    rows = [f"| `{name}` | {what(field)} |" for name, field in fields.items() if name not in ("id", "occurred_at")]
    return "\n".join((f"## `{topic}`", says, "", "| field | type |", "|---|---|", *rows, ""))


def what(field: dict[str, object]) -> str:
    if "anyOf" in field:
        return " or ".join(what(option) for option in field["anyOf"])  # type: ignore[attr-defined]
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])  # type: ignore[attr-defined]
    return str(field.get("format") or field.get("type", "any"))


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page())
    PAGE.write_text(page())
