"""The product's source files and their syntax trees, for the tests of this folder."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ("auth_svc", "patient_svc", "doctor_svc", "scheduling_svc", "appointment_svc", "admin_svc", "notify_svc", "gateway_svc")
PRODUCT = (*SERVICES, "shared", "careslot")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked_files(*patterns: str) -> list[Path]:
    """Return the files that git tracks, relative to ROOT; files deleted from the working tree are left out."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def product_files() -> list[Path]:
    """Return the Python files of the product, relative to ROOT."""
    return [path for path in tracked_files("*.py") if path.parts[0] in PRODUCT]


def read(path: Path) -> str:
    """Return the text of a file that is given relative to ROOT."""
    return (ROOT / path).read_text(encoding="utf-8")


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file that is given relative to ROOT."""
    return ast.parse(read(path))


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    """Yield every node of the product's syntax trees, with its file."""
    for path in product_files():
        for node in ast.walk(syntax_tree(path)):
            yield path, node


def called_name(call: ast.Call) -> str:
    """Return the last name of what is called: `PydanticCustomError` of `pydantic_core.PydanticCustomError(...)`."""
    function = call.func
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
