"""Printing results: tables for people, one JSON document or CSV for programs; failures and notes go to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

from careslot.client.columns import ALTERNATIVE, TableColumn, columns_of
from careslot.client.environment import ClientEnvironment
from careslot.client.failures import AmbiguousName, ClientFailure, RequestRefused
from careslot.client.options import OutputForm
from careslot.client.tables import TablePrinter, console_for
from careslot.client.texts import ColumnTexts, clean, write
from shared.kit.csv_text import csv_lines


class Printer:
    """Prints in one form. `zone` returns the zone of the times; it is called when the first time is printed."""

    def __init__(self, form: OutputForm, environment: ClientEnvironment, zone: Callable[[], ZoneInfo]) -> None:
        self.form, self.texts, self._environment = form, ColumnTexts(zone), environment

    @property
    def tables(self) -> TablePrinter:
        """Return the printer of tables on standard output."""
        return TablePrinter(sys.stdout, self._environment, self.texts)

    def print_list(
        self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], *, next_cursor: str | None = None, title: str | None = None
    ) -> None:
        """Print a list. `next_cursor` is the cursor of the next page, if there is one."""
        if self.form is OutputForm.JSON:
            self.print_json({"items": list(items), "next": next_cursor})
        elif self.form is OutputForm.CSV:
            self.print_csv(items, columns)
        elif items:
            self.tables.print_table(items, columns, title)
        else:
            self.tables.print_line(f"{title}: nothing" if title else "nothing found")
        if next_cursor is not None:
            self.print_note("There is more: --all or a larger --limit lists it.")

    def print_document(self, document: dict[str, Any], columns: Sequence[TableColumn], *, headline: str | None = None) -> None:
        """Print one document. `headline` is a line for people above it."""
        if self.form is OutputForm.JSON:
            self.print_json(document)
        elif self.form is OutputForm.CSV:
            self.print_csv([document], columns)
        else:
            if headline:
                self.tables.print_line(headline)
            self.tables.print_block(document, columns)

    def print_sentence(self, sentence: str, document: dict[str, Any]) -> None:
        """Print a sentence for people, or the document for programs."""
        if self.form is OutputForm.TABLE:
            self.tables.print_line(sentence)
        else:
            self.print_document(document, columns_of([document]))

    def print_json(self, document: Any, *, is_line: bool = False) -> None:
        """Print a JSON document, in one line with `is_line`."""
        needs_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
        write(sys.stdout, json.dumps(document, indent=None if is_line else 2, ensure_ascii=needs_ascii) + "\n")

    def print_text(self, text: str) -> None:
        """Print a text that is made for programs, as it is."""
        write(sys.stdout, text if text.endswith("\n") else f"{text}\n")

    def print_part(self, text: str) -> None:
        """Print a part of a text that is made for programs, without a line end of its own."""
        write(sys.stdout, text)

    def print_note(self, text: str) -> None:
        """Print a note to standard error, for people: with JSON or CSV as output only if standard error is a terminal."""
        if self.form is OutputForm.TABLE or self._environment.terminals.error:
            write(sys.stderr, f"{clean(text)}\n")

    @contextmanager
    def progress(self, description: str) -> Iterator[Callable[..., None]]:
        """Show a progress bar on standard error if it is a terminal. Yields a function that takes how many are done, and `total`."""
        if not self._environment.terminals.error:
            yield lambda done, total=None: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*parts, console=console_for(sys.stderr, self._environment, is_terminal=True), transient=True) as bar:
            task = bar.add_task(description, total=None)
            yield lambda done, total=None: bar.update(task, completed=done, **({"total": total} if total is not None else {}))

    def print_csv(self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], *, has_heading: bool = True) -> None:
        """Print items as CSV (RFC 4180). A list of many pages has the heading on its first page only."""
        lines: list[list[Any]] = [[column.key for column in columns]] if has_heading else []
        lines += ([self.texts.csv_value(column, item) for column in columns] for item in items)
        write(sys.stdout, csv_lines(lines))


def print_failure(failure: ClientFailure, form: OutputForm, environment: ClientEnvironment, zone: ZoneInfo | None) -> None:
    """Print why a command failed to standard error: in sentences, or as one JSON document with `--json`."""
    if form is OutputForm.JSON:
        write(sys.stderr, json.dumps(failure.to_problem()) + "\n")
        return
    lines = [failure.detail]
    if isinstance(failure, AmbiguousName):
        lines += [f"  {id}  {name}" for id, name in failure.candidates]
    if isinstance(failure, RequestRefused):
        lines += _facts_of(failure.problem)
    write(sys.stderr, "".join(f"{clean(line)}\n" for line in lines))
    alternatives = failure.problem.get("alternatives") if isinstance(failure, RequestRefused) else None
    if alternatives:
        tables = TablePrinter(sys.stderr, environment, ColumnTexts(lambda: zone or ZoneInfo("UTC")))
        tables.print_table(alternatives, ALTERNATIVE, "Free instead:")


def _facts_of(problem: Any) -> list[str]:
    """Return a line for each fact of a problem document that helps a person, and its code and request id at the end."""
    lines = [f"  {error.get('pointer', '')}: {error.get('detail', '')}" for error in problem.get("errors") or []]
    lines += [f"  {reason.get('detail', '')} ({reason.get('code', '')})" for reason in problem.get("reasons") or []]
    if problem.get("allowed"):
        lines.append(f"  possible now: {', '.join(map(str, problem['allowed']))}")
    request_id = f", request {problem['request_id']}" if problem.get("request_id") else ""
    return [*lines, f"  ({problem.get('code')}{request_id})"]
