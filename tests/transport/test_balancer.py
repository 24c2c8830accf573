"""The balancers: who gets the next connection, and how steadily."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from pipeline_net.transport.balancer import (
    BALANCERS,
    Balancer,
    ConsistentHash,
    LeastConnections,
    PeerAddress,
    Random,
    RoundRobin,
    SourceHash,
    make_balancer,
)


class FakeLoop:
    """What a balancer sees of a loop."""

    def __init__(self, name: str, channels: int = 0) -> None:
        self.name = name
        self.channels = channels

    def __repr__(self) -> str:
        return self.name


def loops_of(count: int) -> list[FakeLoop]:
    return [FakeLoop(f"loop-{number}") for number in range(1, count + 1)]


LOOPS = loops_of(4)
SOURCES: list[tuple[str, int]] = [(f"10.{a}.{b}.{c}", 1) for a in range(4) for b in range(25) for c in range(20)]


def choose_by(name: str, loops: Sequence[FakeLoop], remote_address: PeerAddress) -> FakeLoop:
    balancer: Balancer[FakeLoop] = make_balancer(name)
    return balancer.choose(loops, remote_address)


def test_there_are_five_names() -> None:
    assert list(BALANCERS) == ["round-robin", "random", "least-connections", "source-hash", "consistent-hash"]


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("remote", [("10.0.0.1", 5), ("::1", 5, 0, 0), "", "/run/x.sock", b"\0x", None, ()])
def test_every_balancer_returns_one_of_the_loops_for_every_kind_of_peer(
    name: str, count: int, remote: PeerAddress
) -> None:
    loops = loops_of(count)
    assert choose_by(name, loops, remote) in loops


@pytest.mark.parametrize("name", ["", "fastest", "Round-Robin", "round_robin"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match="no balancer is called") as caught:
        make_balancer(name)
    assert repr(name) in str(caught.value)
    assert all(known in str(caught.value) for known in BALANCERS)


def test_a_users_own_balancer_is_taken_as_it_is() -> None:
    class Last:
        def choose(self, loops: Sequence[FakeLoop], remote_address: PeerAddress) -> FakeLoop:
            return loops[-1]

    own = Last()
    balancer: Balancer[FakeLoop] = make_balancer(own)
    assert balancer is own
    assert balancer.choose(LOOPS, None) is LOOPS[-1]


@pytest.mark.parametrize("nothing", [None, 7, object()])
def test_what_cannot_choose_is_refused_at_once(nothing: Balancer[FakeLoop]) -> None:
    with pytest.raises(TypeError, match="choose"):
        make_balancer(nothing)


def test_balancers_made_by_name_share_nothing() -> None:
    for _ in range(3):
        assert choose_by("round-robin", LOOPS, None) is LOOPS[0]


def test_round_robin_gives_each_loop_its_turn() -> None:
    balancer = RoundRobin()
    assert [balancer.choose(LOOPS, ("10.0.0.1", port)) for port in range(8)] == LOOPS * 2


def test_round_robin_stays_even_when_several_threads_accept() -> None:
    balancer, chosen, started = RoundRobin(), list[FakeLoop](), threading.Barrier(4)

    def accept() -> None:
        started.wait()
        for _ in range(5_000):
            chosen.append(balancer.choose(LOOPS, None))

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(chosen) == dict.fromkeys(LOOPS, 5_000)


def test_random_reaches_every_loop_about_equally_and_a_seed_repeats_it() -> None:
    first, second, other = Random(7), Random(7), Random(8)
    chosen = [first.choose(LOOPS) for _ in range(4_000)]
    assert chosen == [second.choose(LOOPS) for _ in range(4_000)]
    assert chosen != [other.choose(LOOPS) for _ in range(4_000)]
    assert all(800 < Counter(chosen)[loop] < 1_200 for loop in LOOPS)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [([0, 0, 0], 0), ([3, 1, 2], 1), ([3, 1, 1], 1), ([2, 2, 0], 2), ([5, 5, 5], 0)],
)
def test_the_first_of_the_loops_with_the_fewest_channels_is_chosen(channels: list[int], expected: int) -> None:
    loops = [FakeLoop(f"loop-{number}", count) for number, count in enumerate(channels)]
    assert LeastConnections().choose(loops) is loops[expected]


def test_least_connections_evens_out_what_was_uneven() -> None:
    loops = [FakeLoop("a", 5), FakeLoop("b", 0), FakeLoop("c", 2)]
    balancer = LeastConnections()
    for _ in range(8):
        balancer.choose(loops).channels += 1
    assert [loop.channels for loop in loops] == [5, 5, 5]


@pytest.mark.parametrize("name", ["source-hash", "consistent-hash"])
def test_a_client_that_reconnects_from_another_port_comes_back_to_its_loop(name: str) -> None:
    balancer: Balancer[FakeLoop] = make_balancer(name)
    for source in ("10.0.0.1", "10.0.0.2", "::1", "2001:db8::7"):
        assert len({balancer.choose(LOOPS, (source, port)) for port in range(50)}) == 1
        assert balancer.choose(LOOPS, (source, 1)) is balancer.choose(LOOPS, (source, 1, 0, 0))


@pytest.mark.parametrize("name", ["source-hash", "consistent-hash"])
def test_sources_spread_over_all_loops(name: str) -> None:
    balancer: Balancer[FakeLoop] = make_balancer(name)
    shares = Counter(balancer.choose(LOOPS, source) for source in SOURCES)
    fair = len(SOURCES) / len(LOOPS)
    assert all(0.75 * fair < shares[loop] < 1.25 * fair for loop in LOOPS), shares


@pytest.mark.parametrize("name", ["source-hash", "consistent-hash"])
def test_peers_without_an_address_go_round_robin(name: str) -> None:
    balancer: Balancer[FakeLoop] = make_balancer(name)
    assert [balancer.choose(LOOPS, remote) for remote in ("", "/a", b"\0b", None)] == LOOPS


_CHOICES = """
import sys
from pipeline_net.transport.balancer import make_balancer
class Loop:
    def __init__(self, name): self.name = name; self.channels = 0
loops = [Loop(f"loop-{number}") for number in range(1, 5)]
balancer = make_balancer(sys.argv[1])
print(*(balancer.choose(loops, (f"10.0.0.{number}", 1)).name for number in range(50)))
"""


@pytest.mark.parametrize("name", ["source-hash", "consistent-hash"])
def test_another_process_hashes_the_same(name: str) -> None:
    balancer: Balancer[FakeLoop] = make_balancer(name)
    here = [balancer.choose(LOOPS, (f"10.0.0.{number}", 1)).name for number in range(50)]
    there = subprocess.run(
        [sys.executable, "-c", _CHOICES, name], capture_output=True, text=True, check=True, timeout=30
    )
    assert there.stdout.split() == here


def test_the_source_hash_is_the_crc_of_the_address_text() -> None:
    # 0xCBF43926 is the published check value of CRC-32 over "123456789".
    assert SourceHash().choose(LOOPS, ("123456789", 1)) is LOOPS[0xCBF43926 % 4]


def test_a_loop_that_comes_takes_its_share_and_moves_nothing_else() -> None:
    balancer, four, five = ConsistentHash(), loops_of(4), loops_of(5)
    before = [balancer.choose(four, source).name for source in SOURCES]
    after = [balancer.choose(five, source).name for source in SOURCES]
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"loop-5"}
    assert 0.7 / 5 < len(moved) / len(SOURCES) < 1.3 / 5


@pytest.mark.parametrize("gone", range(4))
def test_a_loop_that_goes_leaves_its_share_to_all_others_and_moves_nothing_else(gone: int) -> None:
    balancer, four = ConsistentHash(), loops_of(4)
    three = four[:gone] + four[gone + 1 :]
    before = [balancer.choose(four, source) for source in SOURCES]
    after = [balancer.choose(three, source) for source in SOURCES]
    heirs = Counter(new for old, new in zip(before, after, strict=True) if old is four[gone])
    assert all(old is new for old, new in zip(before, after, strict=True) if old is not four[gone])
    assert 0.7 / 4 < sum(heirs.values()) / len(SOURCES) < 1.3 / 4
    assert set(heirs) == set(three)


def test_the_ring_knows_loops_by_name_and_not_by_place() -> None:
    balancer = ConsistentHash()
    turned = LOOPS[2:] + LOOPS[:2]
    assert [balancer.choose(LOOPS, source) for source in SOURCES] == [
        balancer.choose(turned, source) for source in SOURCES
    ]
