"""What an event is called, and its type: found where the scheme says."""

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple, cast

from service.messages.event import NAME_CHARACTERS_MAX
from service.sources.fields import JsonPaths, find_key_beside, split_form
from service.sources.request import Request
from service.sources.scheme import Scheme
from service.sources.templates import Part

ABSENT = "is not where the scheme looks for it"


class Identity(NamedTuple):
    """`problem` is a sentence if the event has no good id, and None otherwise."""

    event_id: str
    type: str | None
    problem: str | None


class Facts:
    """What one event says of itself: its JSON and its form are read when they are asked for."""

    def __init__(self, request: Request, body: bytes, paths: JsonPaths) -> None:
        self.request = request
        self.body = body
        self._paths = paths
        self._json: dict[str, str] | None = None
        self._form: dict[str, str] | None = None

    def header(self, name: bytes) -> str | None:
        """None unless it is there once."""
        values = self.request.values(name)
        return values[0].decode("latin-1").strip() if len(values) == 1 else None

    def json(self, path: str) -> str | None:
        if self._json is None:
            self._json = self._paths.read(self.body)
        return self._json.get(path)

    def form(self, name: str) -> str | None:
        """`name` and what `split_form` gives have a character of Latin-1 for each byte."""
        if self._form is None:
            try:
                # Of fields with one name the first counts.
                self._form = dict(reversed(split_form(self.body)))
            except ValueError:
                self._form = {}
        value = self._form.get(name)
        return None if value is None else value.encode("latin-1").decode(errors="replace")

    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


class Identifier:
    """Finds id and type in the events of one scheme."""

    def __init__(self, scheme: Scheme) -> None:
        templates = (*scheme.id_parts, *scheme.type_parts)
        parts = [part for template in templates for part in template]
        self._paths = JsonPaths(part.argument for part in parts if part.kind == "json")
        self._ids = [[_compile(part) for part in template] for template in scheme.id_parts]
        self._types = [[_compile(part) for part in template] for template in scheme.type_parts]

    def identify(self, request: Request, body: bytes) -> Identity:
        """Whatever the bytes are. Without a good id the SHA-256 of the body is the id."""
        facts = Facts(request, body, self._paths)
        problem = None
        type_, fault = _find_name(self._types, facts)
        if type_ is None and fault != ABSENT:
            problem = f"the type {fault}"
        event_id, fault = _find_name(self._ids, facts)
        if event_id is None:
            event_id = facts.sha256()
            problem = f"the id {fault}: the body's SHA-256 stands for it"
        return Identity(event_id, type_, problem)


Fill = Callable[[Facts], str | None]


def _find_name(templates: Iterable[list[Fill]], facts: Facts) -> tuple[str | None, str]:
    """The text of the first template whose parts are all there, or None and why."""
    for template in templates:
        texts = [part(facts) for part in template]
        if all(texts):
            name = "".join(cast("list[str]", texts))
            if "\0" in name:
                return None, "has U+0000"
            if len(name) > NAME_CHARACTERS_MAX:
                return None, f"has more than {NAME_CHARACTERS_MAX} characters"
            return name, ""
    return None, ABSENT


def _compile(part: Part) -> Fill:
    argument = part.argument
    match part.kind:
        case "literal":
            return lambda _: argument
        case "header":
            header = argument.lower().encode()
            return lambda facts: facts.header(header)
        case "json":
            return lambda facts: facts.json(argument)
        case "form":
            field = argument.encode().decode("latin-1")
            return lambda facts: facts.form(field)
        case "key_beside":
            return lambda facts: find_key_beside(argument, facts.body)
        case _:
            return lambda facts: facts.sha256()
