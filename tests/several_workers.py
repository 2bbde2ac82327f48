"""`python -m service` with as many workers as WORKERS says, also where the database is SQLite.

SQLite takes several processes; they are only slower than one, which is why the service refuses.
"""

import sys
from collections.abc import Mapping

import msgspec

from service.__main__ import main
from service.settings import Settings


def read_settings(_: object, environment: Mapping[str, str]) -> Settings:
    settings = read(dict(environment) | {"WORKERS": ""})
    return msgspec.structs.replace(settings, workers=int(environment["WORKERS"]))


if __name__ == "__main__":
    read = Settings.from_environment
    Settings.from_environment = classmethod(read_settings)  # type: ignore[assignment, method-assign]
    sys.exit(main())
