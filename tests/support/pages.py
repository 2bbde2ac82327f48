"""Pages that quote what was measured: tables between marks, filled in and never typed."""

import re
from collections.abc import Mapping

_marks = re.compile(r"(<!-- ([a-z]+): ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str, kind: str, blocks: Mapping[str, str]) -> str:
    """`text` with `blocks` between its marks of one kind; raises KeyError for a strange mark."""

    def replace(mark: re.Match[str]) -> str:
        if mark[2] != kind:
            return mark[0]
        table = blocks[mark[3]] or "Not measured.\n"
        return f"{mark[1]}{table}{mark[4]}"

    return _marks.sub(replace, text)
