"""What an event takes, so that no database has to refuse it."""

import msgspec
import pytest

from service.messages.message import clean
from tests.store.events import event


@pytest.mark.parametrize("string", ["\0", "\ud800", "a\udfff"], ids=ascii)
@pytest.mark.parametrize(
    "field", ["source", "event_id", "type", "headers", "content_type", "problem"]
)
def test_an_event_with_a_string_that_no_database_holds_is_refused(field: str, string: str) -> None:
    with pytest.raises(ValueError, match=r"U\+0000|surrogates"):
        msgspec.structs.replace(event("a"), **{field: string})
    msgspec.structs.replace(event("a"), **{field: clean(string)})


def test_clean_replaces_what_no_database_holds() -> None:
    assert clean("a\0b\ud800\udc00é\U0001f469") == "a\ufffdb\ufffd\ufffdé\U0001f469"
