"""What the log says of an error. The text of an error is left out where it may have names, addresses or other content."""

from __future__ import annotations

import sqlite3
import textwrap
import traceback
from collections.abc import Iterator

KEPT_TYPES = (OSError, RuntimeError, AttributeError, NameError, ImportError, TypeError, ArithmeticError, MemoryError, sqlite3.Error)
"""Types whose text has names of the program, of files, tables and columns, but no values."""
KEPT_MODULES = frozenset({"shared", "careslot", "httpx", "httpcore", "aiormq", "aio_pika", "redis", "sqlalchemy", "uvicorn"})
"""Packages whose errors say what happened without any content. Refusals and other errors of our own have constant texts."""
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
MAX_TEXT_LENGTH = 500


def describe_error(error: BaseException) -> str:
    """Return the type of an error and what its text may be shown of.

    MySQL and MongoDB write values of rows into their errors, as in "Duplicate entry 'sam@example.com'": of these only the number is
    returned. Of an error that SQLAlchemy wraps, the statement is returned, without its parameters.
    """
    name = type(error).__qualname__
    if _package(error) == "sqlalchemy" and hasattr(error, "orig"):
        original = f": {describe_error(error.orig)}" if error.orig is not None else ""
        return f"{name}{original} [SQL: {getattr(error, 'statement', None)}]"
    if isinstance(error, KEPT_TYPES) or _package(error) in KEPT_MODULES or _package(error).endswith("_svc"):
        text = str(error)[:MAX_TEXT_LENGTH]
        return f"{name}: {text}" if text else name
    number = _number(error)
    return name if number is None else f"{name}: {number}"


def format_error(error: BaseException) -> str:
    """Return the tracebacks of an error and of the errors that led to it, each with `describe_error` instead of the text."""
    return "".join(reversed(list(_format_chain(error)))).rstrip("\n")


def _format_chain(error: BaseException) -> Iterator[str]:
    """Yield an error and what led to it, the latest first, with the sentences between them."""
    seen, current = set[int](), error
    while True:
        seen.add(id(current))
        yield "Traceback (most recent call last):\n" + "".join(traceback.format_tb(current.__traceback__)) + _last_lines(current)
        earlier, sentence = current.__cause__, CAUSE
        if earlier is None and not current.__suppress_context__:
            earlier, sentence = current.__context__, CONTEXT
        if earlier is None or id(earlier) in seen:
            return
        yield sentence
        current = earlier


def _last_lines(error: BaseException) -> str:
    """Return the description, and below it the errors of a group."""
    if not isinstance(error, BaseExceptionGroup):
        return describe_error(error) + "\n"
    members = "".join(textwrap.indent(format_error(member), "  | ") + "\n" for member in error.exceptions)
    return f"{type(error).__qualname__} of {len(error.exceptions)}\n{members}"


def _package(error: BaseException) -> str:
    """Return the top-level package of an error's type. Libraries are not imported here, because use cases import the log."""
    return type(error).__module__.partition(".")[0]


def _number(error: BaseException) -> int | None:
    """Return the number that a database gave an error: pymysql has it as the first argument, pymongo as `code`."""
    numbers = (getattr(error, "code", None), error.args[0] if error.args else None)
    is_driver = _package(error) in {"pymysql", "pymongo", "aiomysql"}
    return next((number for number in numbers if isinstance(number, int)), None) if is_driver else None
