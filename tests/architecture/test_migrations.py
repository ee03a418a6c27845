"""Migrations do not import the live tables, so that a change of the tables does not change what a migration does."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REVISIONS = sorted(ROOT.glob("*_svc/migrations/0*.py"))
FROZEN = sorted((ROOT / "shared/kit/migrations").glob("v*.py"))
FRAMEWORKS = {"alembic", "sqlalchemy"} | sys.stdlib_module_names


def imported_modules(path: Path) -> set[str]:
    """Return the absolute names of all modules that a file imports, at any depth; `from . import x` counts as `.`."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add("." * node.level + (node.module or ""))
    return modules


def is_framework(module: str) -> bool:
    return module.split(".")[0] in FRAMEWORKS


def test_there_are_revisions_and_frozen_modules() -> None:
    assert {path.parts[-3] for path in REVISIONS} == {
        "admin_svc", "appointment_svc", "auth_svc", "doctor_svc", "notify_svc", "patient_svc", "scheduling_svc",
    }  # fmt: skip
    assert FROZEN


@pytest.mark.parametrize("path", REVISIONS, ids=lambda path: "/".join(path.parts[-3:]))
def test_a_revision_imports_only_alembic_sqlalchemy_and_the_frozen_modules(path: Path) -> None:
    frozen = re.compile(r"shared\.kit\.migrations\.v[0-9]+")
    assert {module for module in imported_modules(path) if not is_framework(module) and not frozen.fullmatch(module)} == set()


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.name)
def test_a_frozen_module_imports_only_alembic_and_sqlalchemy(path: Path) -> None:
    assert {module for module in imported_modules(path) if not is_framework(module)} == set()
