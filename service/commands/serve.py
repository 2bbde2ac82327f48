"""`python -m service`: serve until a signal ends it."""

import os

from service.http.server import serve
from service.settings import Settings


def main(_arguments: list[str]) -> int:
    """Serve. Raises StartError when the service can't start."""
    serve(Settings.from_environment(os.environ))
    return 0
