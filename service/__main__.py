"""The command line: `python -m service` serves, and a word after it names another command.

Exit code 2 means a wrong value or argument. Exit code 1 means that the service could not start.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from service.errors import StartError


class Command(NamedTuple):
    """Its module is imported only when it runs: the service needs no HTTP client."""

    module: str
    """Its `main(arguments)` returns the exit code."""
    summary: str


COMMANDS = {
    "serve": Command("serve", "serve until SIGTERM or SIGINT; without a command too"),
    "migrate": Command("migrate", "bring the database up to date; a start does the same"),
    "reindex": Command(
        "reindex", "make index and counts again, after messages were changed by SQL"
    ),
    "sources": Command(
        "sources", "list the schemes of providers, and the sources of this environment"
    ),
    "reprocess": Command(
        "reprocess.command", "store what was refused and kept, and is a message by today's rules"
    ),
    "send": Command("send.command", "sign messages or events and send them to a running service"),
    "import": Command("import_.command", "store messages and events from files"),
    "export": Command("export.command", "write messages or events to a file or standard output"),
}

WITHOUT_ARGUMENTS = ("serve", "migrate", "reindex", "sources")
USAGE_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130
"""128 and the number of SIGINT, as shells report it."""

EPILOG = "It takes no arguments. The README lists the environment variables."


def main() -> int:
    """Run the command that `sys.argv` names and return the exit code."""
    name, *arguments = sys.argv[1:] or ["serve"]
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name == "--version":
        return _print_version()
    if name not in COMMANDS:
        print(f"unknown command: {name}\n\n{_help()}", file=sys.stderr)
        return USAGE_EXIT_CODE
    if arguments and name in WITHOUT_ARGUMENTS:
        _refuse(name, arguments)
    run: Callable[[list[str]], int] = import_module(
        f"service.commands.{COMMANDS[name].module}"
    ).main
    try:
        return run(arguments)
    except StartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before the command handles signals
        return INTERRUPTED_EXIT_CODE


def _help() -> str:
    commands = "\n".join(f"  {name:<10} {command.summary}" for name, command in COMMANDS.items())
    return f"""\
usage: python -m service [--help] [--version] [COMMAND ...]

{commands}

COMMAND --help shows the arguments of one command. The README lists the environment variables.
Exit code 2 means a wrong value or argument. Exit code 1 means that the service could not start."""


def _print_version() -> int:
    from importlib.metadata import version

    print(f"webhook-service {version('webhook-service')}")
    return 0


def _refuse(name: str, arguments: list[str]) -> None:
    """Raise SystemExit: 0 after --help, and 2 for any other argument."""
    from service.commands.arguments import Parser

    summary = COMMANDS[name].summary
    Parser(name, f"{summary[0].upper()}{summary[1:]}.", EPILOG).parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
