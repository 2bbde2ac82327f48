"""`python -m service sources`: the schemes, what each wants, and the sources of the environment."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from service.settings import Settings
from service.source_settings import PREFIX
from service.sources.scheme import Scheme, Signature, load_schemes
from service.sources.source import Source, check_vectors, load_sources

HEADINGS = ("scheme", "variables", "secret", "header", "digest", "time", "id")
EXPLANATION = """\
variables: SOURCE_<NAME>_SECRET makes POST /webhook/<name>, by the scheme of the same name or of
SOURCE_<NAME>_SCHEME. VERIFY_TOKEN stands for SOURCE_<NAME>_VERIFY_TOKEN; URL, for the public URL in
SOURCE_<NAME>_URL, is wanted behind a proxy. time: how far the signed time may be from now, at
most. id: the first of these that is there names the event.
"""


def main(_arguments: list[str]) -> int:
    """Print both. Raises StartError for a scheme or a variable that would stop a start."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name == "SCHEMES_FOLDER" or name.startswith(PREFIX)
    }
    settings = Settings.from_environment(given)
    schemes = load_schemes(settings.schemes_folder)
    for name in sorted(schemes.keys() - load_schemes(None).keys()):
        check_vectors(schemes[name])
    sys.stdout.write(f"{_show_schemes(schemes)}\n{EXPLANATION}\n{_show(load_sources(settings))}")
    return 0


def _show_schemes(schemes: Mapping[str, Scheme]) -> str:
    return _align([HEADINGS, *(row for scheme in schemes.values() for row in _rows(scheme))])


def _rows(scheme: Scheme) -> Iterator[Sequence[str]]:
    """A row for each signature; only the first has what all have in common."""
    variables = ["SECRET"]
    if scheme.handshake == "meta":
        variables.append("VERIFY_TOKEN")
    if any(part.kind == "url" for each in scheme.signatures for part in each.signed_parts):
        variables.append("URL")
    ids = [scheme.id] if isinstance(scheme.id, str) else scheme.id
    name, wanted, found = scheme.name, ", ".join(variables), ", ".join(ids)
    for each in scheme.signatures:
        time = f"{each.timestamp.tolerance_seconds} s" if each.timestamp else "-"
        yield name, wanted, _describe_key(each), each.header, each.digest, time, found
        name = wanted = found = ""


def _describe_key(signature: Signature) -> str:
    form = f"{signature.key}…" if signature.key.endswith("_") else signature.key
    return f"public key, {form}" if signature.digest == "ed25519" else form


def _show(sources: Mapping[str, Source]) -> str:
    if not sources:
        return "This environment has no source.\n"
    rows = [("source", "scheme", "secrets")]
    rows += [
        (f"/webhook/{source.name}", source.scheme.name, str(len(source.secrets)))
        for source in sources.values()
    ]
    return _align(rows)


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "".join(f"{line}\n" for line in lines)
