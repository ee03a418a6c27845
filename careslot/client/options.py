"""The options that every command of the client has, before or after the verb, and how a function becomes such a command."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from careslot.client.environment import ClientEnvironment, default_environment

PANEL = "Options of all commands"
EXIT_INTERRUPTED = 130


class OutputForm(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def complete_profile(incomplete: str) -> list[str]:
    """Return the profiles whose names begin with what is typed so far, for completion in a shell."""
    from careslot.client.failures import ClientFailure
    from careslot.client.profiles import PlatformProfiles

    try:
        return [name for name in PlatformProfiles(default_environment().folder).all() if name.startswith(incomplete)]
    except ClientFailure:  # the command itself reports a file that cannot be read
        return []


ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="Profile of a clinic; default: CARESLOT_PROFILE, else `default`.",
        rich_help_panel=PANEL,
        autocompletion=complete_profile,
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Address of the platform; default: CARESLOT_URL, else that of the profile, else http://localhost:8000.",
        rich_help_panel=PANEL,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, as `--output json`.", rich_help_panel=PANEL)]
FormOption = Annotated[OutputForm | None, typer.Option("--output", help="How results are printed; default: table.", rich_help_panel=PANEL)]
ZoneOption = Annotated[
    str | None,
    typer.Option(
        "--time-zone",
        help="Zone of the times that are read and printed, such as Europe/Berlin; default: the clinic's.",
        rich_help_panel=PANEL,
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=1, max=600, help="Seconds to wait for an answer; default: 30.", rich_help_panel=PANEL),
]
MaxWaitOption = Annotated[
    float | None,
    typer.Option(
        "--max-wait",
        min=0,
        max=3600,
        help="Seconds to wait in total when the server asks to come back later; default: 60.",
        rich_help_panel=PANEL,
    ),
]
COMMON: dict[str, tuple[Any, Any]] = {  # parameter of a function: its type and its default
    "profile": (ProfileOption, None),
    "url": (UrlOption, None),
    "as_json": (JsonOption, False),
    "output": (FormOption, None),
    "time_zone": (ZoneOption, None),
    "timeout": (TimeoutOption, None),
    "max_wait": (MaxWaitOption, None),
}

COMMON_NAMES = {name: f"--{name.replace('_', '-')}" for name in COMMON} | {"as_json": "--json"}


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """The options as they were given; None and False are those that were not."""

    profile: str | None = None
    url: str | None = None
    as_json: bool = False
    output: OutputForm | None = None
    time_zone: str | None = None
    timeout: float | None = None
    max_wait: float | None = None

    def overridden_by(self, later: CommonOptions) -> CommonOptions:
        """Return the options with those of `later` in place of these where `later` has them."""
        given = {option.name: getattr(later, option.name) for option in fields(self)}
        return replace(self, **{name: value for name, value in given.items() if value is not None and value is not False})

    @property
    def form(self) -> OutputForm:
        """Return how to print. Raises typer.BadParameter if `--json` contradicts `--output`."""
        if self.as_json and self.output not in (None, OutputForm.JSON):
            raise typer.BadParameter(f"--json contradicts --output {self.output}")
        return OutputForm.JSON if self.as_json else self.output or OutputForm.TABLE

    def is_json_or_text(self) -> bool:
        """Return whether to print JSON, for a command that prints no list. Raises typer.BadParameter for CSV."""
        if self.form is OutputForm.CSV:
            raise typer.BadParameter("this command prints sentences or JSON, but no CSV")
        return self.form is OutputForm.JSON


@dataclass(slots=True)
class Invocation:
    """The object of the command's context: the environment, and the options that were given so far."""

    environment: ClientEnvironment
    options: CommonOptions


def add_options(context: typer.Context, options: CommonOptions) -> Invocation:
    """Add options to those that were given before, and return the invocation."""
    invocation: Any = context.obj
    if isinstance(invocation, ClientEnvironment):
        invocation = Invocation(invocation, CommonOptions())
    elif invocation is None:
        invocation = Invocation(default_environment(), CommonOptions())
    extended = Invocation(invocation.environment, invocation.options.overridden_by(options))
    context.obj = extended
    return extended


def require_used_options(options: CommonOptions, used: Collection[str]) -> None:
    """Raise typer.BadParameter for an option that was given before a command which does not have it, rather than ignore it."""
    given = [option.name for option in fields(options) if getattr(options, option.name) not in (None, False)]
    unused = [COMMON_NAMES[name] for name in given if name not in used]
    if unused:
        raise typer.BadParameter(f"this command has no {' and no '.join(unused)}")


CommandFunction = Callable[..., None]


def client_command(app: typer.Typer, name: str, **settings: Any) -> Callable[[CommandFunction], CommandFunction]:
    """Register a function, whose first parameter is the session, as the command `name` with the common options."""

    def register(function: CommandFunction) -> CommandFunction:
        app.command(name, **settings)(_with_common_options(function))
        return function

    return register


def client_group(app: typer.Typer, name: str) -> Callable[[CommandFunction], typer.Typer]:
    """Make a group of commands of a function that is run when no command of the group is named."""

    def register(function: CommandFunction) -> typer.Typer:
        group = typer.Typer(help=function.__doc__)
        group.callback(invoke_without_command=True)(_with_common_options(function))
        app.add_typer(group, name=name)
        return group

    return register


def _with_common_options(function: CommandFunction) -> CommandFunction:
    """Return a function with the parameters of `function`, without the session, and the common options."""
    hints = typing.get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(function).parameters.values())[1:]
    ]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in COMMON.items()
    ]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @functools.wraps(function)
    def run(**values: Any) -> None:
        context: typer.Context = values.pop("context")
        invocation = add_options(context, CommonOptions(**{name: values.pop(name) for name in COMMON}))
        if context.invoked_subcommand is None:
            _run_in_session(invocation, function, values)

    parameters = [context, *own, *common]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _run_in_session(invocation: Invocation, function: CommandFunction, values: dict[str, Any]) -> None:
    """Run a command. Prints a failure to standard error, and ends with its exit code."""
    from careslot.client.failures import ClientFailure
    from careslot.client.output import print_failure
    from careslot.client.session import open_session

    form, code, session = invocation.options.form, 0, None
    try:
        session = open_session(invocation)
        function(session, **values)
        sys.stdout.flush()
    except ClientFailure as failure:
        print_failure(failure, form, invocation.environment, session.known_zone if session else None)
        code = failure.exit_code
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has read enough
        _discard_output()
    except (KeyboardInterrupt, EOFError, typer.Abort):  # the second and third at a prompt
        code = EXIT_INTERRUPTED
    finally:
        if session:
            session.close()
    if code:
        raise typer.Exit(code)


def _discard_output() -> None:
    """Discard buffered output, so that the end of the process raises no further error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
