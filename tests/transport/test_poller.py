"""The pollers: what is real here runs on real sockets, and kqueue's translation on a fake kqueue."""

from __future__ import annotations

import io
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from pipeline_net.transport import poller as module
from pipeline_net.transport.busy_poller import BusyPoller
from pipeline_net.transport.poller import (
    ERROR,
    HANGUP,
    READ,
    WRITE,
    EpollPoller,
    Kevent,
    KqueuePoller,
    Poller,
    SelectPoller,
    make_poller,
)

on_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")


@pytest.fixture(
    params=[make_poller, SelectPoller, lambda: BusyPoller(make_poller(), 0.001)], ids=["best", "select", "busy"]
)
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    make: Callable[[], Poller] = request.param
    poller = make()
    yield poller
    poller.close()


@pytest.fixture
def best() -> Iterator[Poller]:
    poller = make_poller()
    yield poller
    poller.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


Pair = tuple[socket.socket, socket.socket]


def fill(sock: socket.socket) -> None:
    try:
        while True:
            sock.send(bytes(65536))
    except BlockingIOError:
        return


def test_a_readable_descriptor_is_reported_until_it_is_read(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    assert poller.poll(0) == []
    theirs.send(b"x")
    assert poller.poll(None) == [(ours.fileno(), READ)]
    assert poller.poll(0) == [(ours.fileno(), READ)]
    ours.recv(10)
    assert poller.poll(0) == []


def test_a_writable_descriptor_is_reported_while_there_is_room(poller: Poller, pair: Pair) -> None:
    ours, _ = pair
    poller.register(ours.fileno(), WRITE)
    assert poller.poll(None) == [(ours.fileno(), WRITE)]
    fill(ours)
    assert poller.poll(0) == []


def test_both_interests_of_one_descriptor_come_as_one_pair(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    poller.register(ours.fileno(), READ | WRITE)
    assert poller.poll(None) == [(ours.fileno(), READ | WRITE)]


def test_several_descriptors_are_reported_together(poller: Poller, pair: Pair) -> None:
    for end in pair:
        poller.register(end.fileno(), WRITE)
    assert sorted(poller.poll(None)) == sorted((end.fileno(), WRITE) for end in pair)


def test_modify_replaces_what_is_watched(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    poller.register(ours.fileno(), READ)
    poller.modify(ours.fileno(), WRITE)
    assert poller.poll(None) == [(ours.fileno(), WRITE)]
    poller.modify(ours.fileno(), 0)
    assert poller.poll(0) == []
    poller.modify(ours.fileno(), READ)
    assert poller.poll(None) == [(ours.fileno(), READ)]


def test_the_end_of_the_input_is_reported_as_something_to_read(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    theirs.shutdown(socket.SHUT_WR)
    assert poller.poll(None) == [(ours.fileno(), READ)]
    assert ours.recv(10) == b""


def test_an_unregistered_descriptor_is_silent_and_may_come_back(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    theirs.send(b"x")
    poller.register(ours.fileno(), READ)
    poller.unregister(ours.fileno())
    assert poller.poll(0) == []
    poller.register(ours.fileno(), READ)
    assert poller.poll(None) == [(ours.fileno(), READ)]


def test_registering_twice_is_an_error(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    with pytest.raises(FileExistsError):
        poller.register(pair[0].fileno(), READ)


def test_an_unknown_descriptor_can_neither_be_modified_nor_unregistered(poller: Poller, pair: Pair) -> None:
    with pytest.raises(FileNotFoundError):
        poller.modify(pair[0].fileno(), READ)
    with pytest.raises(FileNotFoundError):
        poller.unregister(pair[0].fileno())


def test_a_number_that_is_no_descriptor_cannot_be_registered(poller: Poller) -> None:
    with pytest.raises((OSError, ValueError)):
        poller.register(-1, READ)


@pytest.mark.parametrize("timeout", [1e12, float("inf"), None])
def test_a_timeout_beyond_what_the_kernel_takes_still_waits(poller: Poller, pair: Pair, timeout: float | None) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    thread = threading.Thread(target=theirs.send, args=(b"x",))
    thread.start()
    assert poller.poll(timeout) == [(ours.fileno(), READ)]
    thread.join()


def test_a_short_timeout_runs_out(poller: Poller, pair: Pair) -> None:
    poller.register(pair[0].fileno(), READ)
    assert poller.poll(0.001) == []


def test_closing_twice_is_allowed_and_leaves_the_sockets_open(poller: Poller, pair: Pair) -> None:
    ours, theirs = pair
    poller.register(ours.fileno(), READ)
    poller.close()
    poller.close()
    theirs.send(b"x")
    assert ours.recv(1) == b"x"


def test_a_descriptor_of_the_poller_is_readable_when_there_is_something_to_report(best: Poller, pair: Pair) -> None:
    ours, theirs = pair
    if isinstance(best, SelectPoller):
        pytest.skip("the best poller here has no descriptor")
    best.register(ours.fileno(), READ)
    assert select.select([best.fileno()], [], [], 0)[0] == []
    theirs.send(b"x")
    assert select.select([best.fileno()], [], [], 5)[0] == [best.fileno()]


def test_the_best_poller_is_the_platforms_own() -> None:
    poller = make_poller()
    poller.close()
    expected = {"linux": EpollPoller, "darwin": KqueuePoller, "win32": SelectPoller}
    assert type(poller) is expected.get(sys.platform, type(poller))


def test_the_interface_alone_polls_nothing() -> None:
    poller = Poller()
    for call in (
        lambda: poller.register(0, 0),
        lambda: poller.modify(0, 0),
        lambda: poller.unregister(0),
        lambda: poller.poll(0),
        poller.fileno,
        poller.close,
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_a_user_may_bring_a_poller_of_their_own() -> None:
    class Deaf(Poller):
        def poll(self, timeout: float | None) -> list[tuple[int, int]]:
            return []

    poller: Poller = Deaf()
    assert poller.poll(None) == []


# epoll


@on_epoll
def test_the_bits_are_epolls_own() -> None:
    names = ("EPOLLIN", "EPOLLOUT", "EPOLLERR", "EPOLLHUP")
    assert [getattr(select, name) for name in names] == [READ, WRITE, ERROR, HANGUP]


@on_epoll
def test_epoll_tells_a_hangup_also_to_those_who_want_nothing(best: Poller, pair: Pair) -> None:
    ours, theirs = pair
    best.register(ours.fileno(), 0)
    assert best.poll(0) == []
    theirs.close()
    assert best.poll(None) == [(ours.fileno(), HANGUP)]


@on_epoll
def test_epoll_tells_of_a_refused_connection_as_writable_with_an_error(best: Poller) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        nobody = listener.getsockname()  # bound, but not listening: refused
        with socket.socket() as client:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.connect(nobody)
            best.register(client.fileno(), WRITE)
            assert best.poll(5) == [(client.fileno(), WRITE | ERROR | HANGUP)]
            best.unregister(client.fileno())


class FakeEpoll:
    """Answers one list, and remembers how long it was asked to wait."""

    def __init__(self, answer: list[tuple[int, int]]) -> None:
        self.answer = answer
        self.timeouts: list[float | None] = []

    def register(self, fd: int, eventmask: int) -> None: ...
    def modify(self, fd: int, eventmask: int) -> None: ...
    def unregister(self, fd: int) -> None: ...
    def poll(self, timeout: float | None, maxevents: int) -> list[tuple[int, int]]:
        assert maxevents > 0
        self.timeouts.append(timeout)
        return self.answer

    def fileno(self) -> int:
        return 77

    def close(self) -> None: ...


def test_what_epoll_answers_is_handed_on_as_it_is() -> None:
    fake = FakeEpoll([(5, READ)])
    poller = EpollPoller(fake)
    assert poller.poll(0.25) is fake.answer
    assert poller.poll(None) is fake.answer
    assert poller.poll(1e9) is fake.answer
    assert fake.timeouts == [0.25, None, 86400.0]


# select


def test_select_has_no_descriptor_to_offer() -> None:
    with pytest.raises(io.UnsupportedOperation, match="no descriptor"):
        SelectPoller().fileno()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts sockets, not their numbers")
def test_select_refuses_a_number_that_would_break_every_later_call() -> None:
    poller = SelectPoller()
    with pytest.raises(OSError, match="below 1024"):
        poller.register(1024, READ)
    assert poller.poll(0) == []


def test_select_takes_a_negative_timeout_for_none_at_all(pair: Pair) -> None:
    poller = SelectPoller()
    poller.register(pair[0].fileno(), READ)
    assert poller.poll(-1.0) == []


@pytest.mark.skipif(sys.platform == "win32", reason="plays Windows on POSIX, by urgent data")
def test_select_tells_exceptional_conditions_as_errors_where_that_is_where_they_appear() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            poller = SelectPoller(watch_exceptions=True)
            poller.register(client.fileno(), WRITE)
            assert poller.poll(5) == [(client.fileno(), WRITE)]
            server.send(b"!", socket.MSG_OOB)
            assert select.select([], [], [client], 5)[2] == [client]
            assert poller.poll(5) == [(client.fileno(), WRITE | ERROR)]


# kqueue, played

ADD, DELETE, EOF = module.KQ_EV_ADD, module.KQ_EV_DELETE, module.KQ_EV_EOF
R, W = module.KQ_FILTER_READ, module.KQ_FILTER_WRITE


class FakeKevent:
    def __init__(self, ident: int, filter: int, flags: int, fflags: int = 0) -> None:
        self.ident = ident
        self.filter = filter
        self.flags = flags
        self.fflags = fflags


class FakeKqueue:
    """Keeps filters as the kernel does, and reports what a test has put into ``events``."""

    def __init__(self) -> None:
        self.filters: set[tuple[int, int]] = set()
        self.events: list[FakeKevent] = []
        self.calls: list[tuple[int, int, float | None]] = []  # how many changes, room for how many events, timeout
        self.closed = False

    def control(
        self, changelist: Sequence[Kevent] | None, max_events: int, timeout: float | None = None
    ) -> Sequence[Kevent]:
        self.calls.append((len(changelist or ()), max_events, timeout))
        for change in changelist or ():
            key = (change.ident, change.filter)
            if change.flags == ADD:
                self.filters.add(key)
            elif key in self.filters:
                self.filters.remove(key)
            else:
                raise FileNotFoundError(2, "no such filter")
        return self.events[:max_events]

    def fileno(self) -> int:
        return 78

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def queue() -> FakeKqueue:
    return FakeKqueue()


@pytest.fixture
def kqueue(queue: FakeKqueue) -> KqueuePoller:
    return KqueuePoller(queue, FakeKevent)


@pytest.mark.parametrize("before", [0, READ, WRITE, READ | WRITE])
@pytest.mark.parametrize("after", [0, READ, WRITE, READ | WRITE])
def test_kqueue_filters_follow_the_interest(queue: FakeKqueue, kqueue: KqueuePoller, before: int, after: int) -> None:
    expected = {0: set(), READ: {(5, R)}, WRITE: {(5, W)}, READ | WRITE: {(5, R), (5, W)}}
    kqueue.register(5, before)
    assert queue.filters == expected[before]
    kqueue.modify(5, after)
    assert queue.filters == expected[after]
    kqueue.unregister(5)
    assert queue.filters == set()


def test_kqueue_changes_nothing_that_need_not_change(queue: FakeKqueue, kqueue: KqueuePoller) -> None:
    kqueue.register(5, READ)
    kqueue.modify(5, READ | WRITE)
    kqueue.modify(5, READ | WRITE)
    assert queue.calls == [(1, 0, 0), (1, 0, 0)]


def test_kqueue_refuses_the_same_mistakes_as_epoll(kqueue: KqueuePoller) -> None:
    kqueue.register(5, 0)
    with pytest.raises(FileExistsError):
        kqueue.register(5, READ)
    with pytest.raises(FileNotFoundError):
        kqueue.modify(6, READ)
    with pytest.raises(FileNotFoundError):
        kqueue.unregister(6)


def test_a_registration_that_the_kernel_refused_has_not_happened(queue: FakeKqueue) -> None:
    class Full(FakeKqueue):
        def control(
            self, changelist: Sequence[Kevent] | None, max_events: int, timeout: float | None = None
        ) -> Sequence[Kevent]:
            if not self.closed:
                raise OSError(12, "no memory")
            return super().control(changelist, max_events, timeout)

    full = Full()
    kqueue = KqueuePoller(full, FakeKevent)
    with pytest.raises(OSError, match="no memory"):
        kqueue.register(5, READ)
    full.closed = True  # there is room again
    kqueue.register(5, READ)
    assert full.filters == {(5, R)}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([FakeKevent(5, R, ADD)], [(5, READ)]),
        ([FakeKevent(5, W, ADD)], [(5, WRITE)]),
        ([FakeKevent(5, R, ADD), FakeKevent(5, W, ADD)], [(5, READ | WRITE)]),
        ([FakeKevent(5, R, ADD), FakeKevent(6, W, ADD), FakeKevent(5, W, ADD)], [(5, READ | WRITE), (6, WRITE)]),
        ([FakeKevent(5, R, EOF)], [(5, READ)]),  # the peer half-closed
        ([FakeKevent(5, R, EOF, 54)], [(5, READ | ERROR)]),  # reset
        ([FakeKevent(5, W, EOF)], [(5, WRITE | HANGUP)]),  # nobody reads us any more
        ([FakeKevent(5, W, EOF, 61)], [(5, WRITE | ERROR | HANGUP)]),  # connection refused, as epoll says it
        ([FakeKevent(5, W, ADD, 61)], [(5, WRITE)]),  # without EV_EOF, fflags are no error
        ([FakeKevent(5, R, EOF, 54), FakeKevent(5, W, EOF, 54)], [(5, READ | WRITE | ERROR | HANGUP)]),
    ],
)
def test_kqueue_events_become_epolls_bits(
    queue: FakeKqueue, kqueue: KqueuePoller, events: list[FakeKevent], expected: list[tuple[int, int]]
) -> None:
    queue.events = events
    assert kqueue.poll(0) == expected


def test_kqueue_waits_as_long_as_it_is_told_with_room_for_events(queue: FakeKqueue, kqueue: KqueuePoller) -> None:
    for timeout in (None, 0, 0.25, 1e9):
        kqueue.poll(timeout)
    assert [timeout for _, _, timeout in queue.calls] == [None, 0, 0.25, 86400.0]
    assert all(room > 0 for _, room, _ in queue.calls)


def test_kqueue_offers_its_descriptor_and_is_closed_with_the_poller(queue: FakeKqueue, kqueue: KqueuePoller) -> None:
    assert kqueue.fileno() == 78
    kqueue.close()
    assert queue.closed
