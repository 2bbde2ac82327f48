"""The command line: `python -m service` serves, and a word after it names another command.

    python -m service             serve until SIGTERM or SIGINT
    python -m service migrate     bring the database up to date
    python -m service send …      sign messages and send them to a running service (send --help)
    python -m service import …    store messages from files (import --help)
    python -m service export …    write messages to a file or standard output (export --help)

The README lists the environment variables. Exit code 2 means a wrong value or argument. Exit code 1
means that the service could not start.
"""

import sys
from collections.abc import Callable
from importlib import import_module

from service.errors import StartError

COMMANDS = {
    "serve": "service.commands.serve",
    "migrate": "service.commands.migrate",
    "send": "service.commands.send.command",
    "import": "service.commands.import_.command",
    "export": "service.commands.export.command",
}
"""Each command's module. Its `main(arguments)` returns the exit code.

Only the module of the command that runs is imported: the service needs no HTTP client.
"""

WITHOUT_ARGUMENTS = ("serve", "migrate")
USAGE_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130
"""128 and the number of SIGINT, as shells report it."""


def main() -> int:
    """Run the command that `sys.argv` names and return the exit code."""
    command, *arguments = sys.argv[1:] or ["serve"]
    if command not in COMMANDS or command in WITHOUT_ARGUMENTS:
        if command == "help" or {"-h", "--help"} & {command, *arguments}:
            print(__doc__)
            return 0
        if arguments or command not in COMMANDS:
            print(f"unknown arguments: {' '.join(sys.argv[1:])}\n\n{__doc__}", file=sys.stderr)
            return USAGE_EXIT_CODE
    run: Callable[[list[str]], int] = import_module(COMMANDS[command]).main
    try:
        return run(arguments)
    except StartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before the command handles signals
        return INTERRUPTED_EXIT_CODE


if __name__ == "__main__":
    sys.exit(main())
