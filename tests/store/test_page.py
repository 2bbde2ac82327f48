"""Every store gives its messages in order, filtered, page by page, and counted."""

import itertools
import random

import pytest

from service.messages.text import fold
from service.store.interface import INSTANT_MAX, INSTANT_MIN, Filter, Position, Row, Store
from tests.store.messages import NOON, meanwhile_inserting, message, row
from tests.support.model import Model, position

pytestmark = pytest.mark.anyio

ANNA, BEN, CARA = "+4917012345", "+33612345678", "+12"

# Every combination of few values: 2 senders, 3 recipients, 4 instants, 3 texts.
SENT = [
    message(f"{number:03}", from_msisdn=sender, to_msisdn=recipient, ts=NOON + step, text=text)
    for number, (sender, recipient, step, text) in enumerate(
        itertools.product(
            (ANNA, BEN), (ANNA, BEN, CARA), (-1, 0, 1, 1_000_000), ("one", "TWO", None)
        )
    )
]
MODEL = Model.of(row(each) for each in SENT)

FILTERS = {
    "nothing": Filter(),
    "from": Filter(from_msisdn=ANNA),
    "from nobody": Filter(from_msisdn="+99"),
    "to": Filter(to_msisdn=CARA),
    "to nobody": Filter(to_msisdn="+99"),
    "from and to": Filter(from_msisdn=BEN, to_msisdn=ANNA),
    "since": Filter(since=NOON),
    "until": Filter(until=NOON),
    "since and until": Filter(since=NOON, until=NOON + 1),
    "since behind until": Filter(since=NOON + 1, until=NOON),
    "the widest range": Filter(since=INSTANT_MIN, until=INSTANT_MAX),
    "from in a range": Filter(from_msisdn=ANNA, since=NOON, until=NOON + 1_000_000),
    "to in a range": Filter(to_msisdn=ANNA, since=NOON, until=NOON + 1_000_000),
    "from and to in a range": Filter(ANNA, BEN, since=NOON, until=NOON + 1_000_000),
    "text": Filter(q_folded="tw"),
    "text that nobody wrote": Filter(q_folded="three"),
    "from and text": Filter(from_msisdn=ANNA, q_folded="o"),
    "to and text": Filter(to_msisdn=CARA, q_folded="ne"),
    "id": Filter(message_id="007"),
    "an id that nobody has": Filter(message_id="7"),
    "id and all of its message": Filter(ANNA, BEN, NOON - 1, NOON + 1, "two", "013"),
    "id and another sender": Filter(BEN, message_id="007"),
    "id before since": Filter(since=NOON + 1, message_id="007"),
    "id and another text": Filter(q_folded="two", message_id="000"),
    "all of them": Filter(ANNA, BEN, since=NOON, until=NOON + 1_000_000, q_folded="two"),
}

FILTERS |= {
    f"{name}, latest first": chosen._replace(is_descending=True) for name, chosen in FILTERS.items()
}


@pytest.fixture
async def filled(store: Store) -> Store:
    """A store with SENT, inserted in two batches and in a random order."""
    mixed = random.Random(1).sample(SENT, len(SENT))
    for batch in (mixed[:12], mixed[12:]):
        await store.insert(batch)
    return store


async def test_a_filter_chooses_and_counts_what_the_model_does(filled: Store) -> None:
    for name, chosen in FILTERS.items():
        expected = MODEL.matching(chosen)
        assert await filled.page(chosen, None, 0, 1_000) == expected, name
        counted = await filled.page_and_count(chosen, None, 0, 1_000)
        assert counted == (expected, len(expected)), name


async def test_every_filter_chooses_what_the_model_does(filled: Store) -> None:
    """Every combination of parameters: the store chooses the access path."""
    parameters = (
        (None, ANNA),
        (None, CARA),
        (INSTANT_MIN, NOON),
        (INSTANT_MAX, NOON + 1),
        ("", "o", "tw", "one"),
    )
    for chosen in itertools.starmap(Filter, itertools.product(*parameters, (None,), (False, True))):
        expected = MODEL.matching(chosen)
        assert await filled.page(chosen, None, 0, 100) == expected, chosen
        counted = await filled.page_and_count(chosen, None, 0, 100)
        assert counted == (expected, len(expected)), chosen


async def test_a_walk_by_position_meets_every_message_once(filled: Store) -> None:
    for (name, chosen), limit in itertools.product(FILTERS.items(), (1, 7)):
        walked: list[Row] = []
        after: Position | None = None
        while found := await filled.page(chosen, after, 0, limit):
            walked += found
            after = position(walked[-1])
            assert len(walked) <= len(SENT), name
        assert walked == MODEL.matching(chosen), name


async def test_an_offset_skips_what_matches_and_counts_it(filled: Store) -> None:
    for (name, chosen), offset in itertools.product(FILTERS.items(), (0, 1, 5, 10_000)):
        rows, total = await filled.page_and_count(chosen, None, offset, 3)
        assert rows == MODEL.page(chosen, None, offset, 3), name
        assert total == len(MODEL.matching(chosen)), name


@pytest.mark.parametrize("offset", [0, 2])
async def test_an_offset_behind_a_position_is_counted_from_there(
    filled: Store, offset: int
) -> None:
    after = position(MODEL.rows[10])
    rows, total = await filled.page_and_count(Filter(), after, offset, 3)
    assert rows == MODEL.rows[11 + offset : 14 + offset]
    assert total == len(MODEL.rows)


PLACES = {
    "before all": Position(INSTANT_MIN, ""),
    "before the first": Position(NOON - 2, "\U0010ffff"),
    "before an instant": Position(NOON, ""),
    "between two ids": Position(NOON, "000!"),
    "behind all": Position(INSTANT_MAX, ""),
}


@pytest.mark.parametrize("after", PLACES.values(), ids=[*PLACES])
async def test_a_position_need_not_be_a_message(filled: Store, after: Position) -> None:
    assert await filled.page(Filter(), after, 0, 1_000) == MODEL.page(Filter(), after, 0, 1_000)


async def test_a_position_before_since_does_not_widen_the_range(filled: Store) -> None:
    chosen = Filter(since=NOON + 1)
    assert await filled.page(chosen, Position(NOON, ""), 0, 1_000) == MODEL.matching(chosen)


async def test_an_empty_store_has_an_empty_page(store: Store) -> None:
    assert await store.page_and_count(Filter(), None, 0, 10) == ([], 0)


async def test_messages_of_one_instant_come_by_the_code_points_of_their_ids(store: Store) -> None:
    ids = [
        "",
        "\x01",
        " ",
        "-",
        "0",
        "10",
        "2",
        "A",
        "a",
        "aa",
        "z",
        "ß",
        "ä",
        "\ufffd",
        "\U0001f469",
    ]
    sent = [message(each) for each in ids]
    await store.insert(sent[::-1])
    found = await store.page(Filter(), None, 0, 100)
    assert [each.message_id for each in found] == sorted(ids)


async def test_a_walk_is_not_disturbed_by_what_arrives_meanwhile(store: Store) -> None:
    old = [f"old-{number:02}" for number in range(50)]
    await store.insert([message(name, ts=NOON + number) for number, name in enumerate(old)])
    seen: list[str] = []
    after: Position | None = None
    for turn in range(20):
        rows = await store.page(Filter(), after, 0, 7)
        if not rows:
            break
        seen += [each.message_id for each in rows]
        after = position(rows[-1])
        arrivals = {"before": NOON - 1, "just-before": after.ts - 1, "just-behind": after.ts + 1}
        await store.insert([message(f"{turn}-{name}", ts=ts) for name, ts in arrivals.items()])
    assert [name for name in seen if name.startswith("old-")] == old
    assert len(set(seen)) == len(seen)


async def test_a_page_and_its_count_are_of_one_moment(store: Store) -> None:
    async with meanwhile_inserting(store, *(message(name) for name in "abc")):
        for chosen in [Filter(), Filter(from_msisdn=ANNA), Filter(q_folded="hello")] * 50:
            rows, total = await store.page_and_count(chosen, None, 0, 1_000_000)
            assert len(rows) == total
            assert total % 3 == 0


FOUND = {
    "in the middle": ("Hello", "ell"),
    "as a whole": ("Hello", "hello"),
    "one character": ("Hello", "H"),
    "two characters": ("Hello", "LO"),
    "a space": ("a b", " "),
    "a line end": ("a\nb", "\n"),
    "Greek, with another sigma at the end": ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
    "Greek, one sigma for another": ("ς", "Σ"),
    "German sharp s, as capitals": ("Straße", "STRASSE"),
    "German capitals, with a sharp s": ("STRASSE", "straße"),
    "German capital sharp s": ("STRAẞE", "straße"),
    "half of a sharp s": ("Maß", "S"),
    "Turkish dotted capital I": ("İstanbul", "İSTANBUL"),
    "Turkish dotted capital I, as a plain one": ("İSTANBUL", "istanbul"),
    "a plain I, as a Turkish dotted one": ("ISTANBUL", "İstanbul"),
    "Turkish dotless i": ("\u0131ş\u0131k", "IŞIK"),
    "Turkish dotless capital I": ("IŞIK", "\u0131ş\u0131k"),
    "Turkish dotted capital I, typed in parts": ("I\u0307zmir", "izmir"),
    "Lithuanian i, with its dot and an accent": ("i\u0307\u0300", "Ì"),
    "Cyrillic": ("ПРИВЕТ, мир", "привет, МИР"),
    "Armenian ligature": ("և", "ԵՒ"),
    "Georgian": ("ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ", "საქართველო"),
    "Cherokee": ("ᏣᎳᎩ", "ꮳꮃꭹ"),
    "Deseret, outside the first plane": ("𐐔𐐇𐐝𐐀𐐡𐐇𐐓", "𐐼𐐯𐑅𐐨𐑉𐐯𐐻"),
    "Adlam": ("𞤆𞤵𞤤𞤢𞤪", "𞤨𞤓𞤤"),
    "Latin ligature": ("ﬁsh", "FISH"),
    "long s": ("\u017ftop", "STOP"),
    "Kelvin sign": ("5 \u212a", "5 k"),
    "an accent, typed apart": ("Café", "CAFE\u0301"),
    "an accent, stored apart": ("Cafe\u0301", "CAFÉ"),
    "two accents in another order": ("a\u0302\u0323", "a\u0323\u0302"),
    "an accent that no letter composes with": ("x\u0301y", "\u0301Y"),
    "a letter before such an accent": ("x\u0301y", "X"),
    "Hangul, typed in parts": ("한글", "\u1112\u1161\u11ab"),
    "Hangul, stored in parts": ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
    "Arabic": ("مرحبا", "رحب"),
    "Devanagari": ("नमस्ते", "स्ते"),
    "Thai": ("สวัสดี", "วัส"),
    "CJK, one character": ("東京タワー", "京"),
    "CJK outside the first plane": ("𠮷野家", "𠮷"),
    "an emoji": ("so 👍🏽!", "👍🏽"),
    "a part of an emoji": ("👩\u200d👧", "👧"),
    "per cent": ("100%", "0%"),
    "underscore": ("a_b", "A_B"),
    "backslash": ("a\\b", "A\\B"),
    "quote": ("it's", "T'S"),
    "double quote": ('"a"', '"A"'),
    "asterisk": ("a*", "A*"),
    "the last code point": ("\U0010ffff", "\U0010ffff"),
    "4,096 characters": ("ẞ" * 4_096, "s" * 8_192),
}

NOT_FOUND = {
    "another text": ("Hello", "help"),
    "longer than the text": ("Hello", "hello!"),
    "in no text": (None, "n"),
    "in an empty text": ("", " "),
    "per cent as a wildcard": ("100 per cent", "1%t"),
    "underscore as a wildcard": ("ab", "a_"),
    "asterisk as a wildcard": ("abc", "a*c"),
    "question mark as a wildcard": ("abc", "a?c"),
    "two words in another order": ("one two", "two one"),
    "a letter without its accent": ("Café", "cafe"),
    "a letter without its accent, stored apart": ("Cafe\u0301", "cafe"),
    "an accent without its letter": ("Cafe\u0301", "\u0301"),
    "a part of a Hangul syllable": ("\u1112\u1161\u11ab", "하"),
    "another width of a letter": ("\uff21", "A"),
}


async def test_a_part_of_a_text_is_found_whatever_its_case(
    store: Store, subtests: pytest.Subtests
) -> None:
    texts = [text for text, _ in (*FOUND.values(), *NOT_FOUND.values())]
    sent = [message(f"{number:03}", text=text) for number, text in enumerate(texts)]
    for batch in (sent[::2], sent[1::2]):
        await store.insert(batch)
    model = Model.of(row(each) for each in sent)
    for name, (text, q) in (FOUND | NOT_FOUND).items():
        with subtests.test(name):
            for chosen in search_by_every_access_path(fold(q)):
                rows, total = await store.page_and_count(chosen, None, 0, 1_000)
                assert rows == model.matching(chosen)
                assert total == len(rows)
                assert (text in {each.text for each in rows}) == (name in FOUND)


def search_by_every_access_path(q_folded: str) -> list[Filter]:
    """Filters that match every message but for the text. Each may take another access path."""
    one = message("")
    numbers = itertools.product((None, one.from_msisdn), (None, one.to_msisdn))
    return [
        Filter(*pair, since=since, q_folded=q_folded)
        for pair in numbers
        for since in (INSTANT_MIN, NOON)
    ]
