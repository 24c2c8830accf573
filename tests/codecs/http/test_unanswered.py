"""Who waits for a response: the first, those behind, and which of two that look alike."""

from __future__ import annotations

from pipeline_net.codecs.http import Request
from pipeline_net.codecs.http.unanswered import UnansweredRequests


def asked(*targets: str) -> tuple[UnansweredRequests, list[Request]]:
    unanswered = UnansweredRequests()
    requests = [Request("GET", target) for target in targets]
    for request in requests:
        unanswered.add(request)
    return unanswered, requests


def test_they_are_answered_in_the_order_in_which_they_came() -> None:
    unanswered, requests = asked("/1", "/2", "/3")
    answered = []
    while unanswered.first is not None:
        answered.append(unanswered.first)
        unanswered.drop_first()
        assert unanswered.count == 3 - len(answered)
    assert [id(request) for request in answered] == [id(request) for request in requests]


def nobody_waits(unanswered: UnansweredRequests) -> bool:
    return unanswered.first is None and unanswered.count == 0


def test_one_after_the_other() -> None:
    unanswered = UnansweredRequests()
    for target in ("/1", "/2"):
        request = Request("GET", target)
        unanswered.add(request)
        assert unanswered.first is request
        assert unanswered.count == 1
        unanswered.drop_first()
        assert nobody_waits(unanswered)


def test_the_last_may_be_taken_back() -> None:
    unanswered, requests = asked("/1", "/2")
    unanswered.drop_last()
    assert unanswered.first is requests[0]
    assert not unanswered.holds(requests[1])
    unanswered.drop_last()
    assert nobody_waits(unanswered)


def test_who_comes_behind_one_that_was_answered_waits_behind_the_rest() -> None:
    unanswered, requests = asked("/1", "/2")
    unanswered.drop_first()
    latest = Request("GET", "/3")
    unanswered.add(latest)
    assert unanswered.first is requests[1]
    unanswered.drop_first()
    assert unanswered.first is latest


def test_two_that_look_alike_are_two() -> None:
    unanswered, (one, other) = asked("/", "/")
    assert unanswered.holds(one)
    assert unanswered.holds(other)
    assert not unanswered.holds(Request("GET", "/"))


def test_nobody_is_left_after_clear() -> None:
    unanswered, requests = asked("/1", "/2")
    unanswered.clear()
    assert nobody_waits(unanswered)
    assert not any(unanswered.holds(request) for request in requests)
