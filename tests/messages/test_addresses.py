"""Addresses, and the messages that have them."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidMessage
from service.messages.addresses import ADDRESS_RULE, is_address
from service.messages.message import decode_message, decode_stored_message, make_message
from tests.support.service import Json, encode, message
from tests.support.strategies import addresses, json_values

GOOD = ["+49", "+491701234567", "123", "12345678", "ACME", "a" * 64, "US.13491208655302741918", "é"]
BAD = ["", "+4", "+049", "+4911 ", "+ACME", "12", "123456789", "a" * 65, " ACME", "A\n", "A\0"]


def is_as_the_rule_says(text: str) -> bool:
    """The rule of an address, without a pattern."""
    if text.startswith("+"):
        digits = text[1:]
        return digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 15 and digits[0] != "0"
    if text.isascii() and text.isdigit():
        return 3 <= len(text) <= 8
    has_controls = any(ord(each) < 32 or ord(each) == 127 for each in text)
    has_surrogates = any(unicodedata.category(each) == "Cs" for each in text)
    return 1 <= len(text) <= 64 and text[0] != " " and not has_controls and not has_surrogates


@pytest.mark.parametrize(("texts", "expected"), [(GOOD, True), (BAD, False)])
def test_the_edges_of_the_rule(texts: list[str], expected: bool) -> None:
    assert {is_address(text) for text in texts} == {expected}
    assert {is_as_the_rule_says(text) for text in texts} == {expected}


@given(st.text(max_size=70) | st.text("+ 0123a\x1f\x7f\udc80", max_size=20))
def test_an_address_is_what_the_rule_says(text: str) -> None:
    assert is_address(text) == is_as_the_rule_says(text)


@pytest.mark.parametrize("address", GOOD)
def test_only_a_stored_message_may_have_any_address(address: str) -> None:
    line = encode(message(**{"from": address, "to": address}))
    read = decode_stored_message(line)
    assert (read.from_msisdn, read.to_msisdn) == (address, address)
    assert read == make_message("m-1", address, address, read.ts, "Hello")
    if not address.startswith("+"):
        with pytest.raises(InvalidMessage, match=r"^from must be an E\.164 number: [^;]*$"):
            decode_message(line)


@pytest.mark.parametrize("address", BAD)
def test_a_stored_message_with_no_address_is_refused_by_name(address: str) -> None:
    for field in ("from", "to"):
        with pytest.raises(InvalidMessage) as refused:
            decode_stored_message(encode(message(**{field: address})))
        assert str(refused.value) == f"{field} must be {ADDRESS_RULE}"


any_text = st.text(st.characters(exclude_categories=[]))


@given(
    json_values | any_text, json_values | addresses, json_values | addresses, json_values | any_text
)
def test_a_message_is_made_of_any_values_or_refused(
    message_id: Json, sender: Json, recipient: Json, text: Json
) -> None:
    try:
        made = make_message(message_id, sender, recipient, 0, text)
    except InvalidMessage as error:
        refused = str(error)
    else:
        shown = {"from": made.from_msisdn, "to": made.to_msisdn, "text": text}
        line = message(message_id=made.message_id, ts="1970-01-01T00:00:00Z", **shown)
        assert decode_stored_message(json.dumps(line).encode()) == made
        return
    assert refused.startswith(("message_id must", "from must", "to must", "text must"))
