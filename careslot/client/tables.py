"""Tables for people: fitted to the width of a terminal, and one line for each row elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from careslot.client.columns import ColumnFormat, TableColumn
from careslot.client.environment import ClientEnvironment
from careslot.client.texts import ColumnTexts, clean, replace_unencodable, write

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STATUS_STYLES = {
    "booked": "green", "requested": "yellow", "pending": "yellow", "checked_in": "cyan", "in_progress": "cyan", "completed": "dim",
    "cancelled": "dim", "declined": "dim", "expired": "dim", "missed": "red", "refused": "red", "failed": "red", "active": "green",
    "disabled": "dim", "invited": "yellow",
}  # fmt: skip
SHORT_ID = 8  # characters at the end of an id: the beginning is a time, and the same for all that was made in one minute
MAX_WORD = 14
UNLIMITED_WIDTH = 10_000
GAP = "  "


class TablePrinter:
    """Prints tables to a stream. On a terminal they fit its width: ids are shortened, or each item is printed as a block of lines."""

    def __init__(self, stream: TextIO, environment: ClientEnvironment, texts: ColumnTexts) -> None:
        self._stream, self._environment, self._texts = stream, environment, texts
        self._is_terminal = environment.terminals.output if stream is sys.stdout else environment.terminals.error

    def print_line(self, text: str) -> None:
        """Print a line of text."""
        write(self._stream, f"{clean(text)}\n")

    def print_table(self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], title: str | None) -> None:
        """Print a row for each item."""
        if title and not self._is_terminal:
            self.print_line(title)
        if not self._is_terminal:
            self._print_rows(items, columns)
        elif not any(self._print_fitting(items, columns, title, has_short_ids) for has_short_ids in (False, True)):
            if title:
                self.print_line(title)
            for item in items:
                self.print_block(item, columns)

    def print_block(self, document: dict[str, Any], columns: Sequence[TableColumn]) -> None:
        """Print a line with heading and value for each value that a document has."""
        shown = [column for column in columns if column.value_in(document) not in (None, [], "")]
        headings = [self._texts.heading(column) for column in shown]
        width = max(map(len, headings), default=0)
        if not self._is_terminal:
            lines = [
                f"{heading:{width}}{GAP}{self._texts.value(column, document)}" for heading, column in zip(headings, shown, strict=True)
            ]
            write(self._stream, "\n".join([*lines, "", ""]))
            return
        from rich.table import Table

        grid = Table.grid(padding=(0, len(GAP)))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        for heading, column in zip(headings, shown, strict=True):
            grid.add_row(heading, self._cell(column, document))
        console = self._console()
        console.print(grid)
        console.print()

    def clear(self) -> None:
        """Clear the terminal."""
        self._console().clear()

    def _print_rows(self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn]) -> None:
        """Print each row as one line, however long, so that other programs can search the lines."""
        from rich.cells import cell_len

        rows = [[self._texts.heading(column) for column in columns]]
        rows += [[self._texts.value(column, item) for column in columns] for item in items]
        widths = [max(cell_len(row[number]) for row in rows) for number in range(len(columns))]
        padded = ((text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)) for row in rows)
        write(self._stream, "".join(f"{GAP.join(cells).rstrip()}\n" for cells in padded))

    def _print_fitting(
        self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], title: str | None, has_short_ids: bool
    ) -> bool:
        """Print a table if it fits the terminal. Returns whether it does."""
        console, table = self._console(), self._table(items, columns, title, has_short_ids)
        unlimited = console.options.update(width=UNLIMITED_WIDTH)
        if console.measure(table, options=unlimited).minimum > console.width:
            return False
        console.print(table)
        return True

    def _table(self, items: Sequence[dict[str, Any]], columns: Sequence[TableColumn], title: str | None, has_short_ids: bool) -> Table:
        from rich import box
        from rich.table import Table

        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", highlight=False)
        cells = [[self._cell(column, item, has_short_ids) for column in columns] for item in items]
        for number, column in enumerate(columns):
            texts = [row[number].plain for row in cells]
            table.add_column(self._texts.heading(column), min_width=_min_width(column, texts), overflow="fold")
        for row in cells:
            table.add_row(*row)
        return table

    def _cell(self, column: TableColumn, document: dict[str, Any], has_short_ids: bool = False) -> Text:
        from rich.text import Text

        text = self._texts.value(column, document)
        if has_short_ids and column.format is ColumnFormat.ID:
            text = text[-SHORT_ID:]
        return Text(text, style=STATUS_STYLES.get(text, "") if column.format is ColumnFormat.STATUS else "")

    def _console(self) -> Console:
        return console_for(self._stream, self._environment, is_terminal=self._is_terminal)


def console_for(stream: TextIO, environment: ClientEnvironment, *, is_terminal: bool) -> Console:
    """Return a console for a stream: with colours only on a terminal, unless NO_COLOR is set, and without wrapping elsewhere."""
    from rich.console import Console

    replace_unencodable(stream)
    return Console(
        file=stream,
        force_terminal=is_terminal,
        no_color=bool(environment.variables.get("NO_COLOR")),
        color_system="auto" if is_terminal else None,
        width=None if is_terminal else UNLIMITED_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _min_width(column: TableColumn, texts: list[str]) -> int:
    """Return the width below which a column cannot be read: ids and times stay whole, other texts are folded between words."""
    if column.format in (ColumnFormat.ID, ColumnFormat.WHOLE_ID, ColumnFormat.INSTANT):
        return max(map(len, texts))
    return min(MAX_WORD, max((len(word) for text in texts for word in text.split()), default=1))
