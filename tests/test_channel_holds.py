"""Who holds reads, and who hears that they are let go."""

from __future__ import annotations

import pytest

from pipeline_net.testing import EmbeddedChannel


def test_holds_are_counted_and_reading_waits_for_the_last() -> None:
    channel = EmbeddedChannel()
    assert (channel.read_holds, channel.wants_to_read) == (0, True)
    channel.hold_reads()
    channel.hold_reads()
    channel.release_reads()
    assert (channel.read_holds, channel.wants_to_read) == (1, False)
    channel.release_reads()
    assert (channel.read_holds, channel.wants_to_read) == (0, True)


def test_whoever_takes_back_what_was_not_given_is_told_so() -> None:
    channel = EmbeddedChannel()
    with pytest.raises(AssertionError, match="every release_reads"):
        channel.release_reads()
    channel.need_reads()
    channel.need_reads_no_more()
    with pytest.raises(AssertionError, match="every need_reads_no_more"):
        channel.need_reads_no_more()
    assert channel.wants_to_read


def test_who_asked_hears_once_of_a_hold_that_is_taken_back_as_a_task_of_the_loop() -> None:
    channel = EmbeddedChannel()
    heard: list[int] = []
    channel.hold_reads()
    channel.hold_reads()
    channel.when_released(lambda: heard.append(channel.read_holds))
    channel.run_pending()
    assert heard == []
    channel.release_reads()
    assert heard == [], "not inside the call"
    channel.run_pending()
    channel.release_reads()
    channel.run_pending()
    assert heard == [1]
