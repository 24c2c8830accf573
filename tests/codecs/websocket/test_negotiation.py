"""Which compression two peers agree on: RFC 7692, section 7.1."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.websocket import Deflate
from pipeline_net.codecs.websocket.extensions import parse_extensions
from pipeline_net.codecs.websocket.negotiation import check_answer, choose, offer

FULL = Deflate(server_max_window_bits=15, client_max_window_bits=15)
P = "permessage-deflate"


@pytest.mark.parametrize(
    ("offered", "ours", "answer", "bits"),
    [
        (P, FULL, P, (15, 15, False, False)),
        (f"{P}; client_max_window_bits", FULL, P, (15, 15, False, False)),
        (f"{P}; client_max_window_bits", Deflate(), None, (12, 12, False, False)),
        (P, Deflate(), f"{P}; server_max_window_bits=12", (12, 15, False, False)),
        (f"{P}; server_max_window_bits=10", FULL, f"{P}; server_max_window_bits=10", (10, 15, False, False)),
        (f"{P}; server_max_window_bits=15", FULL, f"{P}; server_max_window_bits=15", (15, 15, False, False)),
        (f"{P}; client_max_window_bits=9", FULL, f"{P}; client_max_window_bits=9", (15, 9, False, False)),
        (f"{P}; client_max_window_bits=8", FULL, f"{P}; client_max_window_bits=8", (15, 8, False, False)),
        (f"{P}; server_no_context_takeover", FULL, f"{P}; server_no_context_takeover", (15, 15, True, False)),
        (f"{P}; client_no_context_takeover", FULL, f"{P}; client_no_context_takeover", (15, 15, False, True)),
        (f'{P}; server_max_window_bits="10"', FULL, f"{P}; server_max_window_bits=10", (10, 15, False, False)),
        (f"x-unknown, {P}", FULL, P, (15, 15, False, False)),
        # the first offer cannot be met, the second can
        (f"{P}; server_max_window_bits=8, {P}", FULL, P, (15, 15, False, False)),
        (f"{P}; mystery, {P}; client_no_context_takeover", FULL, None, (15, 15, False, True)),
    ],
)
def test_the_first_offer_that_can_be_met_is_taken(
    offered: str, ours: Deflate, answer: str | None, bits: tuple[int, int, bool, bool]
) -> None:
    chosen = choose(parse_extensions(offered), ours)
    assert chosen is not None
    said, agreed = chosen
    assert answer is None or said == answer
    assert bits == (
        agreed.server_max_window_bits,
        agreed.client_max_window_bits,
        agreed.server_no_context_takeover,
        agreed.client_no_context_takeover,
    )
    if agreed.client_max_window_bits == 8:
        return  # which no client of ours would have offered
    understood = check_answer(parse_extensions(said), FULL)
    assert understood is not None
    assert understood.server_max_window_bits == agreed.server_max_window_bits
    assert understood.server_no_context_takeover == agreed.server_no_context_takeover


@pytest.mark.parametrize(
    "parameters",
    [
        "server_max_window_bits=8",  # zlib compresses with no window of 8 bits
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=\u0661\u0660",
        "server_max_window_bits",
        "client_max_window_bits=16",
        "client_max_window_bits=0",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "mystery",
    ],
)
def test_an_offer_that_breaks_the_rules_is_declined(parameters: str) -> None:
    try:
        offered = parse_extensions(f"{P}; {parameters}")
    except ValueError:
        return  # no list of extensions at all
    assert choose(offered, FULL) is None


def test_nothing_is_agreed_on_without_an_offer() -> None:
    assert choose([], FULL) is None
    assert choose(parse_extensions("x-webkit-deflate-frame"), FULL) is None


def test_what_a_client_offers() -> None:
    assert offer(FULL) == f"{P}; client_max_window_bits"
    assert offer(Deflate()) == (
        f"{P}; server_max_window_bits=12; client_max_window_bits=12, {P}; client_max_window_bits"
    )
    wish = Deflate(server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=15)
    assert offer(wish).startswith(
        f"{P}; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("x-other", "'x-other', which was not offered"),
        (f"{P}, {P}", "twice"),
        (f"{P}; mystery", "no client can do"),
        (f"{P}; client_max_window_bits", "no client can do"),  # an answer says how many
        (f"{P}; client_max_window_bits=8", "no client can do"),  # zlib cannot
        (f"{P}; server_max_window_bits=16", "no client can do"),
        (f"{P}; server_no_context_takeover=1", "no client can do"),
    ],
)
def test_an_answer_that_a_client_does_not_trust(answer: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_answer(parse_extensions(answer), FULL)


def test_an_answer_to_nothing() -> None:
    with pytest.raises(ValueError, match="was not offered"):
        check_answer(parse_extensions(P), None)
    assert check_answer([], FULL) is None
    assert check_answer([], None) is None


def test_a_client_may_refer_less_far_back_than_it_is_allowed_to() -> None:
    agreed = check_answer(parse_extensions(P), Deflate(client_max_window_bits=10, client_no_context_takeover=True))
    assert agreed is not None
    assert (agreed.client_max_window_bits, agreed.server_max_window_bits) == (10, 15)
    assert agreed.client_no_context_takeover


@pytest.mark.parametrize(
    "setting", [{"server_max_window_bits": 8}, {"client_max_window_bits": 16}, {"level": 10}, {"threshold": -1}]
)
def test_settings_that_zlib_does_not_know(setting: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be a whole number"):
        Deflate(**setting)  # type: ignore[arg-type]  # a keyword at a time
