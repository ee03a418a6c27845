"""Writes docs/configuration.md from the settings classes. With `--check` it exits with 1 when the page is out of date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

sys.path.insert(0, str(Path(__file__).parent.parent))
from careslot.services import settings_of
from shared.contracts.identity import Service
from shared.kit.settings import CommonSettings, variable_names

PAGE = Path(__file__).parent / "configuration.md"
HEAD = """# Configuration

Written by `make docs` from the settings classes. Every service reads its settings from the environment. A secret can also stand in a file:
`X_FILE` names the file that holds the value of `X`. In production (`CARESLOT_ENV=production`, which is the default) a secret that is
missing, shorter than 32 characters, guessable or used twice stops the start with a line that names the variable.

`<PREFIX>_URLS` (for example `DOCTOR_URLS`) is a comma-separated list of the base URLs of a service's instances. The default is the name and
port of the service in `compose.yaml`.
"""
COLUMNS = "| variable | default | allowed | meaning |\n|---|---|---|---|"


def page() -> str:
    """Return the whole page."""
    sections = [section("Every service", CommonSettings, {"client_secret"})]
    common = set(CommonSettings.model_fields) - {"client_secret"}
    sections += [section(service.value, settings_of(service), common) for service in Service]
    return "\n".join((HEAD, *sections))


def section(title: str, settings: type[CommonSettings], excluded: set[str]) -> str:
    """Return the table of one settings class, without the fields in `excluded`."""
    fields = [(name, field) for name, field in settings.model_fields.items() if name not in excluded]
    return "\n".join((f"## {title}", "", COLUMNS, *(row(settings, name, field) for name, field in fields), ""))


def row(settings: type[CommonSettings], name: str, field: FieldInfo) -> str:
    """Return the table row of one field. Raises ValueError when the field has no description."""
    if not field.description:
        raise ValueError(f"{settings.__name__}.{name} has no description")
    cells = (f"`{variable_names(settings, name)[0]}`", default_of(field), limits_of(field), field.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def default_of(field: FieldInfo) -> str:
    """Return the default of a field, or that it is required."""
    if field.default is PydanticUndefined:
        return "required"
    return f"`{field.default}`" if field.default not in ("", None) else "empty"


def limits_of(field: FieldInfo) -> str:
    """Return the bounds of a number, or the type's name."""
    bounds: dict[str, Any] = {}
    for constraint in field.metadata:
        for symbol in ("ge", "gt", "le", "lt"):
            if (bound := getattr(constraint, symbol, None)) is not None:
                bounds[symbol] = bound
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    if bounds:
        return " ".join(words[symbol].format(bound) for symbol, bound in bounds.items())
    return "`true` or `false`" if field.annotation is bool else "text"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
