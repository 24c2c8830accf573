"""Which request a part of a response answers."""

from __future__ import annotations

from pipeline_net.codecs import http
from pipeline_net.codecs.http.site.exchanges import Exchanges, head_of


def test_a_part_without_a_name_belongs_to_the_oldest() -> None:
    exchanges: Exchanges[str] = Exchanges()
    first, second = http.Request("GET", "/"), http.Request("GET", "/")
    exchanges.begin(first, "first")
    exchanges.begin(second, "second")
    assert exchanges.note_of(None) == "first"
    assert exchanges.note_of(second) == "second"  # equal, and yet another
    assert exchanges.end(second) == "second"
    assert exchanges.note_of(second) is None
    assert exchanges.end(None) == "first"
    assert (exchanges.end(None), exchanges.note_of(None), len(exchanges)) == (None, None, 0)


def test_a_whole_request_is_known_by_its_head() -> None:
    head = http.Request("GET", "/")
    whole = head.completed(b"", None)
    exchanges: Exchanges[str] = Exchanges()
    exchanges.begin(head, "it")
    assert exchanges.note_of(whole) == "it"
    assert head_of(whole) is head
    assert head_of(http.FullRequest("GET", "/")).target == "/"
    exchanges.begin(whole, "again")
    assert exchanges.take_all() == ["it", "again"]
    assert len(exchanges) == 0
