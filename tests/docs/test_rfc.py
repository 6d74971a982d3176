"""docs/rfc.md is what `make rfc` writes, and its rows are true."""

from __future__ import annotations

import pytest

from tests import rfc


def test_the_document_is_up_to_date() -> None:
    assert rfc.DOCUMENT.read_text() == rfc.document(), "docs/rfc.md is out of date: run `make rfc`"


def test_every_row_has_code() -> None:
    """A test about an RFC that no file of the code cites proves nothing about the code, or the citation is missing."""
    where = rfc.citations()
    bare = [row for row in rfc.rows() if not rfc.code(where[row.rfc], row.section)]
    assert not bare, "\n".join(f"RFC {row.rfc} is cited nowhere under src: {row.test}" for row in bare)


def test_the_rows_are_many_and_of_many() -> None:
    rows = rfc.rows()
    assert len(rows) > 200
    assert {row.rfc for row in rows} >= {1122, 2018, 5681, 5961, 6298, 7323, 7413, 9293}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("RFC 9293, 3.10.7.1 and 3.10.7.2.", {(9293, (3, 10, 7, 1)), (9293, (3, 10, 7, 2))}),
        ("see RFC 5961, 3.2, 4.2, 7.", {(5961, (3, 2)), (5961, (4, 2)), (5961, (7,))}),
        ("(RFC 1122, 3.2.2; RFC 4443, 2.4(e))", {(1122, (3, 2, 2)), (4443, (2, 4))}),
        ("RFC 6298 (2.1): 1 s", {(6298, (2, 1))}),
        ("RFC 1191, 8201", set()),
        ("RFC 7413", set()),
    ],
)
def test_citations_are_read(text: str, places: set[tuple[int, tuple[int, ...]]]) -> None:
    assert rfc.cited(text) == places


@pytest.mark.rfc("9293", "3.1", "MUST-7")
def test_a_mark_makes_a_row_of_its_own() -> None:
    (row,) = [row for row in rfc.rows() if row.test.endswith("test_a_mark_makes_a_row_of_its_own")]
    assert (row.rfc, row.section, row.level) == (9293, (3, 1), "MUST-7")
