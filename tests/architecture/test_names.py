"""The parts of the naming rules that a program can check: unique class names, docstrings, imperative verbs."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import SERVICES, Function, called_name, nodes, product_files, syntax_tree, tracked_files

IRREGULAR_PARTICIPLES = {
    "begun", "bound", "brought", "built", "caught", "chosen", "done", "drawn", "dealt", "felt", "found", "given", "gone", "got", "had",
    "heard", "held", "kept", "known", "laid", "left", "lent", "lost", "made", "meant", "met", "paid", "said", "seen", "sent", "shown",
    "shut", "sold", "spoken", "spent", "stood", "sworn", "taken", "taught", "thought", "thrown", "told", "torn", "understood", "won",
    "written",
}  # fmt: skip
WORDS_ENDING_IN_ED = {"embed", "exceed", "feed", "need", "proceed", "seed", "speed"}


def test_every_class_name_is_unique() -> None:
    files: dict[str, list[str]] = defaultdict(list)
    for path in tracked_files("*.py"):
        for node in syntax_tree(path).body:
            if isinstance(node, ast.ClassDef):
                files[node.name].append(str(path))
    repeated = sorted(f"{name}: {', '.join(paths)}" for name, paths in files.items() if len(paths) > 1)
    assert not repeated, "\n".join(repeated)


def test_every_module_has_a_docstring() -> None:
    undocumented_modules = [str(path) for path in product_files() if not ast.get_docstring(syntax_tree(path))]
    assert not undocumented_modules, "\n".join(undocumented_modules)


def test_every_public_class_and_function_has_a_docstring() -> None:
    files = [path for path in product_files() if "migrations" not in path.parts]
    missing = sorted(f"{path}: {name}" for path in files for name in undocumented(path))
    assert not missing, "\n".join(missing)


def undocumented(path: Path) -> Iterator[str]:
    """Yield the public classes and functions of a module without a docstring, and the public methods of its use cases.

    Routes are left out: their signature and their summary say what they do.
    """
    is_service = path.parts[0] in SERVICES
    for node in syntax_tree(path).body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_") or is_route(node):
            continue
        if not ast.get_docstring(node):
            yield node.name
        if is_service and isinstance(node, ast.ClassDef) and path.parts[1].removesuffix(".py") == "usecases":
            methods = [child for child in node.body if isinstance(child, Function) and not child.name.startswith("_")]
            yield from (f"{node.name}.{method.name}" for method in methods if not ast.get_docstring(method))


def is_route(node: ast.ClassDef | Function) -> bool:
    """Return whether a function is decorated with a method of a router, such as `@router.get(...)`."""
    calls = [decorator for decorator in node.decorator_list if isinstance(decorator, ast.Call)]
    return any(called_name(call) in ("get", "put", "post", "patch", "delete") for call in calls)


def test_no_asynchronous_function_is_named_by_a_participle() -> None:
    named = [(path, node.name) for path, node in nodes() if isinstance(node, ast.AsyncFunctionDef)]
    participles = sorted(f"{path}: {name}" for path, name in named if is_participle(name.strip("_").split("_")[0]))
    assert not participles, "\n".join(participles)


def is_participle(word: str) -> bool:
    """Return whether a word is a past participle rather than a verb: `settled`, `told`, but not `feed`."""
    return word in IRREGULAR_PARTICIPLES or (word.endswith("ed") and word not in WORDS_ENDING_IN_ED)
