"""The page of commands, read off the Typer app: what is registered is there, nothing else."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from docs.make.text import anchor, code, own_doc, page, table
from typer.models import ArgumentInfo, OptionInfo

from oddspipe.cli.app import EXIT_CODES, build

WORDS = {str: "text", int: "whole number", float: "number", bool: "", Path: "path"}


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words after `oddspipe`, and the function behind it."""

    words: str
    callback: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument or option of a command."""

    written: str
    type: str
    default: str
    help: str
    is_option: bool


def commands() -> list[Command]:
    """Return every command of the app, in the order of its help."""
    return list(_below(build(), ""))


def _below(app: typer.Typer, words: str) -> Iterator[Command]:
    for one in app.registered_commands:
        if one.callback is not None and not one.hidden:
            name = one.name or one.callback.__name__.replace("_", "-")
            yield Command(f"{words} {name}".strip(), one.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None and not group.hidden:
            own = group.typer_instance.registered_callback
            # A group that does something by itself is a command too.
            if own is not None and own.callback is not None and own.invoke_without_command is True:
                yield Command(f"{words} {group.name}".strip(), own.callback)
            yield from _below(group.typer_instance, f"{words} {group.name}".strip())


def parameters(command: Command) -> list[Parameter]:
    """Return the arguments and options of a command, in the order of its help."""
    found = []
    for name, one in inspect.signature(command.callback, eval_str=True).parameters.items():
        marks = [m for m in _marks(one.annotation) if isinstance(m, ArgumentInfo | OptionInfo)]
        if marks and not marks[0].hidden:
            found.append(_parameter(name, one, marks[0]))
    return found


def _marks(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - annotations of any kind
    return annotation.__metadata__ if get_origin(annotation) is Annotated else ()


def _parameter(name: str, one: inspect.Parameter, mark: ArgumentInfo | OptionInfo) -> Parameter:
    is_option = isinstance(mark, OptionInfo)
    kind = get_args(one.annotation)[0]
    required = one.default is inspect.Parameter.empty
    if is_option:
        # Typer takes the first name of an annotated option for its default.
        names = [n for n in (mark.default, *(mark.param_decls or ())) if isinstance(n, str)]
        written = ", ".join(names) or f"--{name.replace('_', '-')}"
    else:
        written = name.upper() + ("…" if get_origin(kind) in {list, tuple} else "")
    default = "needed" if required else _default(one.default)
    return Parameter(written, _type(kind, mark), default, mark.help or "", is_option)


def _default(value: object) -> str:
    if value in (None, False, "", ()):
        return ""
    return code(value.value if isinstance(value, Enum) else value)


def _type(kind: Any, mark: ArgumentInfo | OptionInfo) -> str:  # noqa: ANN401 - types of any kind
    if get_origin(kind) in {Union, UnionType}:
        kind = next(one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) in {list, tuple}:
        kind = get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(code(member.value) for member in kind)
    word = WORDS.get(kind, getattr(kind, "__name__", str(kind)))
    if mark.min is not None:
        word += f" from {mark.min:g}"
    if mark.max is not None:
        word += f" to {mark.max:g}"
    return word


def exit_codes(text: str) -> list[tuple[str, str]]:
    """Return the codes and meanings that a docstring lists after `Exit codes:`.

    >>> exit_codes("It does. Exit codes: 0 done; 2 wrong usage.")
    [('0', 'done'), ('2', 'wrong usage')]
    """
    _, _, listed = " ".join(text.split()).partition("Exit codes: ")
    return re.findall(r"(\d+) ([^;]+?)(?:;|\.(?:\s|$))", listed)


def commands_page() -> str:
    """Return the page of commands."""
    return page(
        "Commands",
        "`oddspipe COMMAND --help` says the same in the terminal. Exit codes that a command does "
        "not list are those of every command.",
        "## Exit codes of every command\n\n"
        + table(("code", "meaning"), [(code(n), said) for n, said in exit_codes(EXIT_CODES)]),
        *(_section(one) for one in commands()),
    )


def _section(command: Command) -> str:
    text = re.split(r"Exit\s+codes:", own_doc(command.callback))[0]
    found = parameters(command)
    arguments = [one for one in found if not one.is_option]
    options = [one for one in found if one.is_option]
    usage = " ".join(
        ["oddspipe", command.words, *(["[OPTIONS]"] if options else [])]
        + [one.written for one in arguments]
    )
    parts = [
        f"{anchor(command.words.replace(' ', '-'))}\n## oddspipe {command.words}",
        f"```text\n{usage}\n```",
        text.strip(),
    ]
    if found:
        rows = [(code(p.written), p.type, p.default, p.help) for p in (*arguments, *options)]
        parts.append(table(("argument or option", "type", "default", "meaning"), rows))
    codes = exit_codes(own_doc(command.callback))
    if codes:
        parts.append("Exit codes: " + " · ".join(f"{code(n)} {said}" for n, said in codes))
    return "\n\n".join(part for part in parts if part)
