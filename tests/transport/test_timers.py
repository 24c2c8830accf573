"""The timer queue: order, cancelling, moving, and that dead entries do not pile up."""

from __future__ import annotations

import math
import random
import sys
import threading
import weakref
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import COMPILED
from pipeline_net.testing import EmbeddedLoop
from pipeline_net.transport.timers import NEVER, TimerHandle, TimerQueue


def nothing() -> None:
    """What a timer calls whose call does not matter."""


def run_due(queue: TimerQueue, now: float) -> None:
    while (handle := queue.pop_due(now)) is not None:
        handle.run()


def test_an_empty_queue_has_no_deadline_and_nothing_due() -> None:
    queue = TimerQueue()
    assert len(queue) == 0
    assert queue.next_deadline() is None
    assert queue.pop_due(math.inf) is None


def test_a_handle_says_what_it_will_do() -> None:
    handle = TimerQueue().schedule(2.5, nothing, (1, "a"), 0.25)
    assert (handle.deadline, handle.interval, handle.fn, handle.args) == (2.5, 0.25, nothing, (1, "a"))
    assert not handle.cancelled
    assert "at 2.500 every 0.250" in repr(handle)


def test_due_entries_come_in_the_order_of_their_deadlines() -> None:
    queue, ran = TimerQueue(), list[str]()
    for deadline, name in ((3.0, "c"), (1.0, "a"), (2.0, "b"), (4.0, "d")):
        queue.schedule(deadline, ran.append, (name,))
    run_due(queue, 3.0)
    assert ran == ["a", "b", "c"]
    assert queue.next_deadline() == 4.0


def test_equal_deadlines_keep_the_order_in_which_they_were_scheduled() -> None:
    queue, ran = TimerQueue(), list[int]()
    for number in range(100):
        queue.schedule(1.0, ran.append, (number,))
    run_due(queue, 1.0)
    assert ran == list(range(100))


def test_nothing_is_due_before_its_deadline() -> None:
    queue = TimerQueue()
    handle = queue.schedule(1.0, nothing, ())
    assert queue.pop_due(0.999) is None
    assert queue.pop_due(1.0) is handle
    assert queue.pop_due(1.0) is None


def test_a_cancelled_entry_is_neither_counted_nor_reported_nor_taken() -> None:
    queue = TimerQueue()
    early = queue.schedule(1.0, nothing, ())
    late = queue.schedule(2.0, nothing, ())
    early.cancel()
    assert early.cancelled
    assert len(queue) == 1
    assert queue.next_deadline() == 2.0
    assert queue.pop_due(5.0) is late
    assert "cancelled" in repr(early)


def test_cancelling_again_or_after_the_call_changes_nothing() -> None:
    queue = TimerQueue()
    taken = queue.schedule(1.0, nothing, ())
    other = queue.schedule(1.0, nothing, ())
    assert queue.pop_due(1.0) is taken
    taken.cancel()
    taken.cancel()
    assert len(queue) == 1
    assert queue.pop_due(1.0) is other


def test_cancelling_lets_go_of_the_function_and_its_arguments_at_once() -> None:
    class Owner:
        def called(self, other: object) -> None: ...

    owner, argument = Owner(), Owner()
    gone = [weakref.ref(owner), weakref.ref(argument)]
    handle = TimerQueue().schedule(1.0, owner.called, (argument,))
    del owner, argument
    handle.cancel()
    assert [ref() for ref in gone] == [None, None]


def test_a_handle_that_was_cancelled_after_it_was_taken_runs_nothing() -> None:
    queue, ran = TimerQueue(), list[int]()
    queue.schedule(1.0, ran.append, (1,))
    handle = queue.pop_due(1.0)
    assert handle is not None
    handle.cancel()
    handle.run()
    assert ran == []


def test_a_repeating_entry_goes_on_from_where_it_is_put_back() -> None:
    queue, ran = TimerQueue(), list[float]()
    queue.schedule(1.0, lambda: ran.append(now), (), 1.0)
    for now in (0.5, 1.0, 1.5, 2.0, 3.0):
        while (handle := queue.pop_due(now)) is not None:
            handle.run()
            queue.reschedule(handle, handle.deadline + handle.interval)
    assert ran == [1.0, 2.0, 3.0]
    assert (len(queue), queue.next_deadline()) == (1, 4.0)


def test_a_repeating_entry_that_cancels_itself_is_not_put_back() -> None:
    queue = TimerQueue()
    handle = queue.schedule(1.0, lambda: handle.cancel(), (), 1.0)
    assert queue.pop_due(1.0) is handle
    handle.run()
    queue.reschedule(handle, 2.0)
    assert len(queue) == 0
    assert queue.pop_due(9.0) is None


@pytest.mark.parametrize("deadline", [0.5, 3.0])
def test_a_waiting_entry_can_be_moved_and_then_comes_once(deadline: float) -> None:
    queue = TimerQueue()
    handle = queue.schedule(1.0, nothing, ())
    queue.reschedule(handle, deadline)
    assert (len(queue), handle.deadline, queue.next_deadline()) == (1, deadline, deadline)
    assert queue.pop_due(9.0) is handle
    assert queue.pop_due(9.0) is None


def test_a_prepared_handle_waits_until_it_is_put_in() -> None:
    queue = TimerQueue()
    handle = queue.prepare(1.0, nothing, (), 0.5)
    assert len(queue) == 0
    assert queue.next_deadline() is None
    queue.reschedule(handle, handle.deadline)
    assert queue.pop_due(1.0) is handle
    assert handle.interval == 0.5


def test_a_prepared_handle_that_was_cancelled_first_is_never_put_in() -> None:
    queue = TimerQueue()
    handle = queue.prepare(1.0, nothing, ())
    handle.cancel()
    queue.reschedule(handle, handle.deadline)
    assert len(queue) == 0
    assert queue.next_deadline() is None


def test_a_deadline_that_is_no_number_is_refused_before_anything_changes() -> None:
    queue = TimerQueue()
    handle = queue.schedule(1.0, nothing, ())
    with pytest.raises(ValueError, match="nan"):
        queue.schedule(math.nan, nothing, ())
    with pytest.raises(ValueError, match="nan"):
        queue.reschedule(handle, math.nan)
    assert queue.pop_due(1.0) is handle


def test_entries_of_the_infinite_future_are_never_due_before_it() -> None:
    queue = TimerQueue()
    queue.schedule(math.inf, nothing, ())
    assert queue.pop_due(1e18) is None
    assert queue.next_deadline() == math.inf


def test_who_asks_all_the_time_hears_of_every_change() -> None:
    queue = TimerQueue()
    assert queue.earliest() == NEVER
    late = queue.schedule(3.0, nothing, ())
    assert queue.earliest() == 3.0
    early = queue.schedule(1.0, nothing, ())
    assert queue.earliest() == 1.0
    early.cancel()
    early = queue.schedule(2.0, nothing, ())  # as many as before, and others
    assert queue.earliest() == 2.0
    queue.reschedule(early, 4.0)
    assert queue.earliest() == 3.0
    assert queue.pop_due(3.0) is late
    queue.reschedule(late, 5.0)
    assert queue.earliest() == 4.0
    canceller = threading.Thread(target=early.cancel)
    canceller.start()
    canceller.join()
    assert queue.earliest() == 5.0
    late.cancel()
    assert queue.earliest() == NEVER


def test_other_threads_may_cancel() -> None:
    queue = TimerQueue()
    handles = [queue.schedule(float(number), nothing, ()) for number in range(4000)]

    def cancel_every_other(start: int) -> None:
        for handle in handles[start::4]:
            handle.cancel()
            handle.cancel()

    threads = [threading.Thread(target=cancel_every_other, args=(start % 2,)) for start in range(4)]  # each one twice
    for thread in threads:
        thread.start()
    taken = [queue.next_deadline() for _ in range(100)]
    for thread in threads:
        thread.join()
    assert len(taken) == 100
    alive = [handle for handle in handles if not handle.cancelled]
    assert len(queue) == len(alive) == 2000
    assert [queue.pop_due(math.inf) for _ in alive] == alive


def test_cancelled_entries_do_not_pile_up_in_memory() -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    queue = TimerQueue()
    keep = [queue.schedule(1e9, nothing, ()) for _ in range(1000)]

    def churn(rounds: int) -> None:
        for number in range(rounds):
            queue.schedule(1e6 + number, nothing, ()).cancel()

    tracemalloc.start()
    try:
        churn(5_000)
        before = tracemalloc.get_traced_memory()[0]
        churn(50_000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 500_000, f"{grown} bytes for 50 000 cancelled timers"
    assert len(queue) == len(keep)


def test_a_burst_of_cancellations_is_swept_by_the_next_look_at_the_clock() -> None:
    tracemalloc = pytest.importorskip("tracemalloc")
    tracemalloc.start()
    try:
        queue = TimerQueue()
        first = queue.schedule(0.0, nothing, ())
        before = tracemalloc.get_traced_memory()[0]
        for handle in [queue.schedule(1e6 + number, nothing, ()) for number in range(20_000)]:
            handle.cancel()
        del handle
        assert queue.next_deadline() == 0.0
        assert queue.schedule(1.0, nothing, ()).deadline == 1.0
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # What stays is the table of a dict that was large once: it is only rebuilt when entries are added to it.
    assert left < 2_500_000, f"{left} bytes are still there"
    assert not first.cancelled


@pytest.mark.parametrize("seed", range(10))
def test_the_living_stay_in_order_when_the_dead_are_swept_out(seed: int) -> None:
    dice = random.Random(seed)
    queue = TimerQueue()
    handles = [queue.schedule(dice.random(), nothing, ()) for _ in range(500)]
    for handle in dice.sample(handles, 400):
        handle.cancel()
    queue.next_deadline()  # which sweeps
    alive = sorted((handle for handle in handles if not handle.cancelled), key=lambda handle: handle.deadline)
    assert [queue.pop_due(math.inf) for _ in alive] == alive


def test_it_holds_a_hundred_thousand_entries_in_order() -> None:
    queue = TimerQueue()
    count = 100_000
    handles = [queue.schedule(float(number * 7919 % count), nothing, ()) for number in range(count)]
    for handle in handles[::3]:
        handle.cancel()
    left = [handle.deadline for handle in handles if not handle.cancelled]
    assert len(queue) == len(left)
    taken = []
    while (due := queue.pop_due(math.inf)) is not None:
        taken.append(due.deadline)
    assert taken == sorted(left)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("schedule"), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 200)),
        st.tuples(st.just("move"), st.integers(0, 200)),
        st.tuples(st.just("pop"), st.integers(0, 20)),
    ),
    max_size=300,
)


@given(OPERATIONS)
def test_it_behaves_like_a_sorted_list(operations: list[tuple[str, int]]) -> None:
    queue = TimerQueue()
    handles: list[TimerHandle] = []
    model: list[tuple[float, int, TimerHandle]] = []  # deadline, when it was put in, handle
    for step, (operation, number) in enumerate(operations):
        if operation == "schedule":
            handles.append(queue.schedule(float(number), nothing, ()))
            model.append((float(number), step, handles[-1]))
        elif operation == "pop":
            due = min((entry for entry in model if entry[0] <= number), default=None, key=lambda entry: entry[:2])
            assert queue.pop_due(float(number)) is (due and due[2])
            if due:
                model.remove(due)
        elif handles:
            handle = handles[number % len(handles)]
            model = [entry for entry in model if entry[2] is not handle]
            if operation == "cancel":
                handle.cancel()
            else:
                queue.reschedule(handle, float(number % 20))
                if not handle.cancelled:
                    model.append((float(number % 20), step, handle))
        assert len(queue) == len(model)
        assert queue.earliest() == min((entry[0] for entry in model), default=NEVER)
        assert queue.next_deadline() == min((entry[0] for entry in model), default=None)


def test_run_due_runs_a_limited_number_and_logs_what_raises(caplog: pytest.LogCaptureFixture) -> None:
    queue, loop = TimerQueue(), EmbeddedLoop()
    ran: list[int] = []

    def fail() -> None:
        raise ValueError("no")

    queue.schedule(0.5, fail, ())
    for number in range(1500):
        queue.schedule(1.0, ran.append, (number,))
    queue.schedule(3.0, ran.append, (-1,))
    queue.run_due(1.0, loop)
    assert ran == list(range(1023))  # 1024 with the one that failed
    assert [record.getMessage().partition(" the timer ")[0] for record in caplog.records] == [f"{loop.name}:"]
    queue.run_due(1.0, loop)
    assert ran == list(range(1500))
    assert len(queue) == 1


def test_run_due_sets_a_repeating_timer_anew_without_a_burst() -> None:
    queue = TimerQueue()
    ran: list[str] = []
    queue.schedule(1.0, ran.append, ("on time",), 1.0)
    queue.run_due(1.0, EmbeddedLoop())
    assert queue.next_deadline() == 2.0
    queue.run_due(7.5, EmbeddedLoop())
    assert ran == ["on time"] * 2
    following = queue.next_deadline()
    assert following is not None
    assert 7.5 < following < 7.6


def test_a_repeating_timer_that_was_interrupted_comes_again() -> None:
    queue, ran = TimerQueue(), list[int]()

    def beat() -> None:
        ran.append(1)
        if len(ran) == 1:
            raise KeyboardInterrupt

    queue.schedule(1.0, beat, (), 1.0)
    queue.schedule(1.0, ran.append, (2,))
    with pytest.raises(KeyboardInterrupt):
        queue.run_due(1.0, EmbeddedLoop())
    queue.run_due(1.0, EmbeddedLoop())
    assert ran == [1, 2]
    queue.run_due(2.0, EmbeddedLoop())
    assert ran == [1, 2, 1]


class InterruptsAt:
    """Ctrl-C at the so-manieth moment at which Python looks for it: a function begins, or one in C has returned."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def __enter__(self) -> InterruptsAt:
        sys.setprofile(self._look)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, arg: Any) -> None:
        if event in ("call", "c_return") and frame.f_code.co_filename.endswith("timers.py"):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.skipif(COMPILED, reason="compiled code does not look for signals")
def test_an_interrupt_loses_no_timer_that_it_came_before() -> None:
    for moment in range(1, 200):
        queue, ran = TimerQueue(), list[int]()
        queue.schedule(1.0, ran.append, (0,)).cancel()
        for number in (1, 2):
            queue.schedule(1.0, ran.append, (number,))
        queue.schedule(1.0, ran.append, (3,), 1.0)
        try:
            with InterruptsAt(moment) as interrupts:
                queue.run_due(1.0, EmbeddedLoop())
        except KeyboardInterrupt:
            queue.run_due(1.0, EmbeddedLoop())
        assert sorted(set(ran)) == [1, 2, 3]
        assert ran.count(1) == ran.count(2) == 1
        assert len(queue) == 1
        deadline = queue.next_deadline()
        assert deadline is not None
        queue.run_due(deadline, EmbeddedLoop())
        assert ran[-1] == 3
        if interrupts.left > 0:
            break
    else:
        pytest.fail("the moments do not end")
    assert moment > 15
