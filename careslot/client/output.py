"""Printing results: tables for people, one JSON document or CSV for programs; failures and notes go to standard error."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

from careslot.client.columns import ALTERNATIVE, ColumnKind, TableColumn, columns_of
from careslot.client.environment import ClientEnvironment
from careslot.client.failures import AmbiguousName, ClientFailure, RequestRefused
from careslot.client.options import OutputForm

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
STATUS_STYLES = {
    "booked": "green", "requested": "yellow", "pending": "yellow", "checked_in": "cyan", "in_progress": "cyan", "completed": "dim",
    "cancelled": "dim", "declined": "dim", "expired": "dim", "missed": "red", "refused": "red", "failed": "red", "active": "green",
    "disabled": "dim", "invited": "yellow",
}  # fmt: skip
SHORT_ID = 8
MAX_WORD = 14
WIDTH_WITHOUT_TERMINAL = 10_000  # nothing is wrapped, so that each row is one line for `grep`
BIDI_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINE_BREAKS = {"\n", "\u2028", "\u2029", "\x85", "\r", "\t"}


class Printer:
    """Prints in one form. `zone` returns the zone of the times; it is asked when the first time is printed."""

    def __init__(self, form: OutputForm, environment: ClientEnvironment, zone: Callable[[], ZoneInfo]) -> None:
        self.form, self._environment, self._zone = form, environment, zone

    def print_list(
        self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], *, next_cursor: str | None = None, title: str | None = None
    ) -> None:
        """Print a list. `next_cursor` is where the rest of it begins, if there is a rest."""
        if self.form is OutputForm.JSON:
            self.print_json({"items": list(items), "next": next_cursor})
        elif self.form is OutputForm.CSV:
            self._print_csv(items, columns)
        else:
            self._print_table(items, columns, title)
        if next_cursor is not None:
            self.note("There is more: --all or a larger --limit lists it.")

    def print_document(self, document: dict[str, Any], columns: Sequence[TableColumn], *, headline: str | None = None) -> None:
        """Print one thing. `headline` is a sentence for people that stands above it."""
        if self.form is OutputForm.JSON:
            self.print_json(document)
        elif self.form is OutputForm.CSV:
            self._print_csv([document], columns)
        else:
            if headline:
                self._console(sys.stdout).print(self._plain(headline))
            self._print_block(document, columns)

    def print_sentence(self, sentence: str, document: dict[str, Any]) -> None:
        """Print a sentence for people, or the document for programs."""
        if self.form is OutputForm.TABLE:
            self._console(sys.stdout).print(self._plain(sentence))
        else:
            self.print_document(document, columns_of([document]))

    def print_json(self, document: Any, *, is_line: bool = False) -> None:
        """Print a JSON document, in one line with `is_line`."""
        needs_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
        write(sys.stdout, json.dumps(document, indent=None if is_line else 2, ensure_ascii=needs_ascii) + "\n")

    def print_text(self, text: str) -> None:
        """Print a text that the server made for programs, as it is."""
        write(sys.stdout, text if text.endswith("\n") else f"{text}\n")

    def note(self, text: str) -> None:
        """Tell the person at the terminal something beside the result. Programs that asked for JSON or CSV get nothing."""
        if self.form is OutputForm.TABLE or self._environment.terminals.error:
            write(sys.stderr, f"{clean(text)}\n")

    @contextmanager
    def progress(self, description: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        """Show a progress bar on standard error if it is a terminal. Yields a function that takes how many are done, and `total`."""
        if not self._environment.terminals.error:
            yield lambda done, total=None: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*parts, console=self._console(sys.stderr), transient=True) as bar:
            task = bar.add_task(description, total=total)
            yield lambda done, total=None: bar.update(task, completed=done, **({"total": total} if total is not None else {}))

    def text_of(self, column: TableColumn, document: dict[str, Any]) -> str:
        """Return the value of a column for people."""
        return clean(self._text_of(column.value_in(document), column.kind))

    def table(
        self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], title: str | None = None, *, has_short_ids: bool = False
    ) -> Table:
        """Return a table. The headings of times name the zone. Short ids are the first SHORT_ID characters, which commands accept, too."""
        from rich import box
        from rich.table import Table

        is_terminal = self._environment.terminals.output
        table = Table(
            title=title, box=box.SIMPLE_HEAD if is_terminal else None, title_justify="left", pad_edge=is_terminal, highlight=False
        )
        cells = [[self._cell(column, item, has_short_ids) for column in columns] for item in items]
        for number, column in enumerate(columns):
            texts = [row[number].plain for row in cells]
            table.add_column(self._title_of(column), min_width=_min_width(column, texts), overflow="fold")
        for row in cells:
            table.add_row(*row)
        return table

    def _print_table(self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], title: str | None) -> None:
        """Print a table, or the things one below the other where the terminal is too narrow for a table."""
        console = self._console(sys.stdout)
        if not items:
            console.print(self._plain(f"{title}: nothing" if title else "nothing found"))
            return
        for has_short_ids in (False, True):
            table = self.table(items, columns, title, has_short_ids=has_short_ids)
            if console.measure(table, options=console.options.update(width=WIDTH_WITHOUT_TERMINAL)).minimum <= console.width:
                console.print(table)
                return
        if title:
            console.print(self._plain(title))
        for item in items:
            self._print_block(item, columns)

    def _print_block(self, document: dict[str, Any], columns: Sequence[TableColumn]) -> None:
        """Print one thing as lines of heading and value; values that are absent are left out."""
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for column in columns:
            if column.value_in(document) not in (None, [], ""):
                grid.add_row(self._title_of(column), self._cell(column, document))
        console = self._console(sys.stdout)
        console.print(grid)
        console.print()

    def _print_csv(self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn]) -> None:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180
        writer.writerow([column.key for column in columns])
        for item in items:
            writer.writerow([self._csv_value(column, item) for column in columns])
        write(sys.stdout, buffer.getvalue())

    def _csv_value(self, column: TableColumn, item: dict[str, Any]) -> str:
        """Return a value for a spreadsheet, which runs no formula in it. Times have the offset of the zone."""
        value = column.value_in(item)
        if column.kind is ColumnKind.INSTANT and isinstance(value, str):
            return datetime.fromisoformat(value).astimezone(self._zone()).isoformat()
        text = self._text_of(value, ColumnKind.TEXT)
        return f"'{text}" if text.startswith(FORMULA_STARTS) and not isinstance(value, int | float) else text

    def _title_of(self, column: TableColumn) -> str:
        return f"{column.title} ({self._zone().key})" if column.kind is ColumnKind.INSTANT else column.title

    def _cell(self, column: TableColumn, document: dict[str, Any], has_short_ids: bool = False) -> Text:
        text = self.text_of(column, document)
        if has_short_ids and column.kind is ColumnKind.ID:
            text = text[:SHORT_ID]
        return self._plain(text, STATUS_STYLES.get(text, "") if column.kind is ColumnKind.STATUS else "")

    def _text_of(self, value: Any, kind: ColumnKind) -> str:
        if value is None:
            return ""
        if kind is ColumnKind.INSTANT:
            return f"{datetime.fromisoformat(str(value)).astimezone(self._zone()):%a %Y-%m-%d %H:%M}"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return ", ".join(self._text_of(item, kind) for item in value)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)

    def _plain(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        return Text(clean(text), style=style)

    def _console(self, stream: TextIO) -> Console:
        return console_for(stream, self._environment)


def _min_width(column: TableColumn, texts: list[str]) -> int:
    """Return the width below which a column cannot be read: ids and times stay whole, other texts are folded between words."""
    if column.kind in (ColumnKind.ID, ColumnKind.INSTANT):
        return max(map(len, texts))
    return min(MAX_WORD, max((len(word) for text in texts for word in text.split()), default=1))


def console_for(stream: TextIO, environment: ClientEnvironment) -> Console:
    """Return a console for a stream: with colours only on a terminal, unless NO_COLOR is set, and without wrapping elsewhere."""
    from rich.console import Console

    is_terminal = environment.terminals.output if stream is sys.stdout else environment.terminals.error
    _replace_what_cannot_be_encoded(stream)
    return Console(
        file=stream,
        force_terminal=is_terminal,
        no_color=bool(environment.variables.get("NO_COLOR")),
        color_system="auto" if is_terminal else None,
        width=None if is_terminal else WIDTH_WITHOUT_TERMINAL,
        highlight=False,
        markup=False,
        emoji=False,
    )


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
        printer = Printer(OutputForm.TABLE, environment, lambda: zone or ZoneInfo("UTC"))
        console_for(sys.stderr, environment).print(printer.table(alternatives, ALTERNATIVE, "Free instead:"))


def _facts_of(problem: dict[str, Any] | Any) -> list[str]:
    """Return a line for each fact of a problem document that helps a person, and its code and request id at the end."""
    lines = [f"  {error.get('pointer', '')}: {error.get('detail', '')}" for error in problem.get("errors") or []]
    lines += [f"  {reason.get('detail', '')} ({reason.get('code', '')})" for reason in problem.get("reasons") or []]
    if problem.get("allowed"):
        lines.append(f"  possible now: {', '.join(map(str, problem['allowed']))}")
    request_id = f", request {problem['request_id']}" if problem.get("request_id") else ""
    return [*lines, f"  ({problem.get('code')}{request_id})"]


def clean(text: str) -> str:
    """Return a text without control characters, which could move the cursor of a terminal or turn its text around."""
    if text.isprintable():
        return text
    return "".join(" " if mark in LINE_BREAKS else "" if _is_control(mark) else mark for mark in text)


def _is_control(mark: str) -> bool:
    return unicodedata.category(mark) in ("Cc", "Cs") or mark in BIDI_CONTROLS


def write(stream: TextIO, text: str) -> None:
    """Write a text; characters that the stream's encoding does not have are replaced."""
    _replace_what_cannot_be_encoded(stream)
    stream.write(text)
    stream.flush()


def _replace_what_cannot_be_encoded(stream: TextIO) -> None:
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="replace")
