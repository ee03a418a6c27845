"""Writes docs/cli.md from the commands of `careslot`. With `--check` it exits with 1 when the page is out of date."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

sys.path.insert(0, str(Path(__file__).parent.parent))
from careslot.cli import app  # importable only after the line above
from careslot.client.columns import CSV_COLUMNS, TableColumn
from careslot.client.failures import EXIT_CODES
from careslot.client.options import PANEL

PAGE = Path(__file__).parent / "cli.md"
HEAD = """# Command line

Written by `make docs` from the commands. `careslot` runs the platform, and uses the API of a running one: for people at a terminal and
for scripts.

```sh
careslot login --url https://clinic.example             # asks for email and password, and keeps the session
careslot book --service "Check-up" --doctor any --earliest
careslot agenda --today                                 # the day as a table
careslot watch                                          # the day, followed live
careslot appointments --all --output csv > visits.csv
```

## Sign-in and profiles
`careslot login` asks for the password without showing it; a script passes it with `--password-stdin`, and a one-time code on the second
line. An API client signs in with `careslot login --client-id ID` and its secret in `CARESLOT_CLIENT_SECRET`. Neither is ever an option,
because other users of the machine can read the options of a process.

A profile is a clinic: its address, its time zone and who is signed in. `--profile` or `CARESLOT_PROFILE` names it; `careslot login
--profile north --url https://north.example` makes it. `--url` or `CARESLOT_URL` names another address, at which the session of the
profile is not used. Everything is kept in `careslot` in the user's folder for configuration (`$XDG_CONFIG_HOME`, by default `~/.config`),
readable by the user only. Several commands can run at the same time: one of them renews the session for all.

## For scripts
- `--json`, before or after the command, prints one JSON document on standard output: that of the API (`/docs`), so it changes only as the
  API does ([version policy](versioning.md)). A list is `{"items": [...], "next": "<cursor>"}`, where `next` is null at the end and
  otherwise the value of `--after` for the rest. `careslot slots` adds `doctor_name` to each item, `careslot login`, `whoami` and
  `profiles` print `{profile, url, account, client_id, time_zone, signed_in_as}` as far as it applies, and `careslot watch` prints a line
  `{"before": ..., "after": ...}` for each change.
- A failure is a problem document (RFC 9457) on standard error with `--json`, and sentences otherwise. `code` names it: a code of the API
  (`/problems`), or `usage`, `ambiguous_name`, `not_signed_in`, `unreachable`, `declined`, `nothing_free`, `rows_failed`,
  `items_refused`, `import_unfinished`, `bulk_unfinished`. A wrong option is always reported in plain text.
- `--output csv` prints the columns of the table with a heading that stays. Times have an offset; a text that a spreadsheet would run as a
  formula begins with `'`.
- What cannot be undone asks at a terminal. Elsewhere it needs `--yes`, or ends with 2.
- A command makes one Idempotency-Key and repeats its request with it when the network fails, so that nothing happens twice. When the
  server asks to come back later, it waits, `--max-wait` seconds in total.
- Progress and notes go to standard error, and bars only to a terminal. Colours appear only on a terminal, and never with `NO_COLOR`.

`careslot watch` asks for the list of the day every 5 seconds (`--every`), goes on when the platform answers again, and renews the session
by itself; Ctrl-C ends it with 0.

Times are read and printed in the clinic's time zone (`GET /clinic`, asked once a day), which every table names; `--time-zone` chooses
another one. `careslot --install-completion` installs completion for the shell.

"""


def page() -> str:
    """Return the whole page."""
    root: Any = typer.main.get_command(app)
    exit_codes = [
        "| exit code of commands that use the API | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()),
        "",
    ]
    common = [*_table(_options(root, is_common=True)), ""]
    sections = [section(("careslot", *path), command) for path, command in commands_of(root)]
    csv_files = ["| CSV file of | headings |", "|---|---|", *(csv_row(name, columns) for name, columns in CSV_COLUMNS.items()), ""]
    return HEAD + "\n".join((*exit_codes, *csv_files, f"## {PANEL}", "", *common, *sections))


def csv_row(name: str, columns: Sequence[TableColumn]) -> str:
    """Return a row with the headings of a CSV file."""
    return f"| {name} | {', '.join(f'`{column.key}`' for column in columns)} |"


def commands_of(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Return all commands with the words that name them; a group stands before its commands."""
    commands = []
    for name, command in group.commands.items():
        commands.append(((*path, name), command))
        if hasattr(command, "commands"):
            commands += commands_of(command, (*path, name))
    return commands


def section(words: tuple[str, ...], command: Any) -> str:
    """Return the section of a command: what it does, its arguments and its own options."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = " ".join((*words, *(argument.metavar or argument.name.upper() for argument in arguments)))
    described = [f"- `{argument.metavar or argument.name.upper()}`: {argument.help}" for argument in arguments if argument.help]
    options = _options(command, is_common=False)
    lines = [f"## `{usage}`", "", command.help.replace("\n\n", "\n").strip(), ""]
    lines += [*described, ""] if described else []
    lines += [*_table(options), ""] if options else []
    return "\n".join(lines)


def _options(command: Any, *, is_common: bool) -> list[Any]:
    """Return the options that all commands of the client have, or the others."""
    options = [parameter for parameter in command.params if parameter.param_type_name == "option" and "--help" not in parameter.opts]
    return [option for option in options if (option.rich_help_panel == PANEL) is is_common]


def _table(options: list[Any]) -> list[str]:
    rows = [f"| {_names(option)} | {_default(option)} | {(option.help or '').replace('|', chr(92) + '|')} |" for option in options]
    return ["| option | default | meaning |", "|---|---|---|", *rows]


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _default(option: Any) -> str:
    """Return the default of an option, nothing for flags and for options that say it themselves."""
    if option.required:
        return "required"
    return "" if option.default in (None, False) or callable(option.default) else f"`{option.default}`"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
