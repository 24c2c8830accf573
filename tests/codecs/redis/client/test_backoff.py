"""Pauses grow, stop growing, and are not the same for everybody."""

from __future__ import annotations

from pipeline_net.codecs.redis.client.backoff import Backoff


def test_the_pause_doubles_up_to_the_limit() -> None:
    backoff = Backoff(0.1, 1.0, lambda: 1.0)
    assert [round(backoff.next(), 3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_up_to_a_half_of_it_is_left_out_at_random() -> None:
    backoff = Backoff(0.1, 1.0, lambda: 0.0)
    assert [round(backoff.next(), 3) for _ in range(4)] == [0.05, 0.1, 0.2, 0.4]
    pauses = {Backoff(1.0, 1.0).next() for _ in range(20)}
    assert all(0.5 <= pause <= 1.0 for pause in pauses)
    assert len(pauses) > 1


def test_after_a_success_it_begins_anew() -> None:
    backoff = Backoff(0.1, 1.0, lambda: 1.0)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 0.1


def test_thousands_of_failures_are_only_more_failures() -> None:
    backoff = Backoff(0.1, 5.0, lambda: 1.0)
    assert [backoff.next() for _ in range(5000)][-1] == 5.0
