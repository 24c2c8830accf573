"""RingBuffer against a plain bytearray, and what BlockPool may and may not keep."""

from __future__ import annotations

import array
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline_net.ring_buffer import LARGEST_POOLED_BLOCK, SMALLEST_BLOCK, BlockPool, RingBuffer, block_size

KIB = 1024
SIZES = st.one_of(st.integers(0, 40), st.integers(900, 1100), st.integers(0, 20_000))


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes in which every neighbourhood looks different, so that a wrong offset shows."""
    return bytes((seed + i + i // 251) % 251 for i in range(size))


def joined(views: tuple[memoryview, memoryview]) -> bytes:
    return b"".join(views)


def wrapped_ring(data: bytes, before_end: int) -> RingBuffer:
    """Return a ring with ``data`` in a 1 KiB block, ``before_end`` bytes of it at the end and the rest at the start."""
    ring = RingBuffer(KIB)
    ring.write(bytes(KIB - before_end))
    ring.write(data[:before_end])
    ring.discard(KIB - before_end)
    ring.write(data[before_end:])
    assert ring.capacity == KIB
    return ring


class TestFifo:
    def test_bytes_come_out_in_the_order_they_went_in(self) -> None:
        ring = RingBuffer()
        ring.write(b"hello ")
        ring.write(bytearray(b"ring "))
        ring.write(memoryview(b"buffer"))
        assert ring.read(5) == b"hello"
        assert ring.read_all() == b" ring buffer"
        assert ring.read_all() == b""

    def test_the_picture_in_the_docstring_is_what_happens(self) -> None:
        scale = KIB // 8
        ring = RingBuffer()
        ring.write(b"".join(bytes([letter]) * scale for letter in b"abcdefgh"))
        ring.read(5 * scale)
        ring.write(b"".join(bytes([letter]) * scale for letter in b"ijk"))
        assert ring.capacity == KIB
        head, tail = ring.peek()
        assert bytes(head[::scale]) == b"fgh"
        assert bytes(tail[::scale]) == b"ijk"

    def test_every_cut_between_end_and_start_of_the_block_reads_the_same(self) -> None:
        data = pattern(200)
        for before_end in range(201):
            ring = wrapped_ring(data, before_end)
            assert ring.peek_bytes(200) == data
            assert joined(ring.peek()) == data
            assert joined(ring.peek(77)) == data[:77]
            assert ring.read(3) == data[:3]
            assert ring.discard(90) == 90
            assert ring.read_all() == data[93:]

    def test_one_byte_written_into_a_full_ring_makes_it_grow(self) -> None:
        for size in (KIB, 4 * KIB, 64 * KIB):
            ring = RingBuffer()
            ring.write(pattern(size))
            assert (len(ring), ring.capacity) == (size, size)
            ring.write(b"!")
            assert ring.capacity == 2 * size
            assert ring.read_all() == pattern(size) + b"!"

    def test_a_full_ring_that_runs_over_the_end_grows_without_mixing_its_halves(self) -> None:
        data = pattern(KIB)
        ring = wrapped_ring(data, 300)
        ring.write(b"tail")
        assert ring.capacity == 2 * KIB
        assert ring.read_all() == data + b"tail"

    def test_a_view_with_other_items_is_written_as_its_bytes(self) -> None:
        numbers = array.array("I", [1, 2, 3])
        ring = RingBuffer()
        ring.write(memoryview(numbers))
        ring.write(memoryview(b"a.b.c")[::2])
        ring.write(memoryview(b"abcd").cast("B", (2, 2)))
        assert ring.read_all() == numbers.tobytes() + b"abcabcd"

    def test_a_ring_can_be_given_its_own_bytes(self) -> None:
        ring = RingBuffer()
        ring.write(pattern(700))
        ring.write(ring.peek()[0])
        assert ring.read_all() == pattern(700) * 2

    def test_len_truth_and_repr_tell_what_waits(self) -> None:
        ring = RingBuffer()
        assert (len(ring), bool(ring), ring.is_empty) == (0, False, True)
        ring.write(b"abc")
        assert (len(ring), bool(ring), ring.is_empty) == (3, True, False)
        assert repr(ring) == "<RingBuffer 3 bytes in a block of 1024>"


class TestShortBufferAndLimits:
    @pytest.mark.parametrize("method", ["read", "peek", "peek_bytes"])
    def test_asking_for_more_than_waits_is_a_short_buffer_and_takes_nothing(self, method: str) -> None:
        ring = RingBuffer()
        for waiting in (b"", b"abcd"):
            ring.write(waiting)
            with pytest.raises(BufferError, match=f"short buffer: 5 bytes are wanted, {len(waiting)} wait"):
                getattr(ring, method)(5)
        assert ring.read_all() == b"abcd"

    @pytest.mark.parametrize("method", ["read", "peek", "peek_bytes", "discard"])
    def test_a_negative_count_is_an_error_and_never_means_all(self, method: str) -> None:
        ring = RingBuffer()
        ring.write(b"abcd")
        with pytest.raises(ValueError, match="-1"):
            getattr(ring, method)(-1)
        assert ring.read_all() == b"abcd"

    def test_nothing_can_be_asked_for_at_any_time(self) -> None:
        ring = RingBuffer()
        for _ in range(2):
            assert ring.read(0) == ring.peek_bytes(0) == joined(ring.peek(0)) == b""
            assert ring.discard(0) == 0
            ring.write(b"x")

    def test_discard_takes_what_there_is(self) -> None:
        ring = RingBuffer()
        ring.write(b"abcd")
        assert [ring.discard(n) for n in (3, 100, 100)] == [3, 1, 0]

    @pytest.mark.parametrize("max_size", [1, 10, KIB, 3000])
    def test_a_write_past_max_size_changes_nothing(self, max_size: int) -> None:
        ring = RingBuffer(max_size=max_size)
        with pytest.raises(
            OverflowError, match=f"{max_size + 1} bytes do not fit: 0 wait already.*limit is {max_size} "
        ):
            ring.write(bytes(max_size + 1))
        assert ring.capacity == 0
        ring.write(pattern(max_size))
        capacity = ring.capacity
        with pytest.raises(OverflowError, match=f"1 bytes do not fit: {max_size} wait already"):
            ring.write(b"!")
        assert ring.capacity == capacity
        assert ring.peek_bytes(max_size) == pattern(max_size)
        ring.discard(1)
        ring.write(b"!")
        assert ring.read_all() == pattern(max_size)[1:] + b"!"

    def test_impossible_numbers_are_refused(self) -> None:
        for attempt in (
            lambda: RingBuffer().find(b"a", -1),
            lambda: BlockPool().acquire(-1),
            lambda: RingBuffer(-1),
            lambda: RingBuffer(max_size=0),
            lambda: RingBuffer(11, max_size=10),
            lambda: BlockPool(max_held_bytes=-1),
            lambda: BlockPool(max_held_blocks=-1),
        ):
            with pytest.raises(ValueError, match=r"-1|0|11"):
                attempt()

    def test_text_is_refused_before_a_block_is_taken(self) -> None:
        ring = RingBuffer()
        with pytest.raises(TypeError):
            ring.write("text")  # type: ignore[arg-type]  # the wrong type is the point
        assert ring.capacity == 0


class TestFind:
    def test_find_agrees_with_bytes_at_every_cut_of_the_block(self) -> None:
        data = b"abaab\r\nabb\r\n\r\nab"
        pieces = [data[i:j] for i in range(len(data)) for j in range(i, len(data) + 1)]
        needles = [*pieces, data + b"a", b"zz", b"\n\r", b"bb\r\na"]
        for before_end in range(len(data) + 1):
            ring = wrapped_ring(data, before_end)
            for needle in needles:
                for start in range(len(data) + 2):
                    assert ring.find(needle, start) == data.find(needle, start), (before_end, needle, start)

    def test_find_does_not_see_what_an_earlier_ring_left_in_the_block(self) -> None:
        pool = BlockPool()
        first = RingBuffer(pool=pool)
        first.write(b"x" * KIB)
        first.release()
        second = RingBuffer(pool=pool)
        second.write(b"abc")
        assert pool.held_blocks == 0
        assert second.find(b"x") == second.find(b"cx") == -1


class TestMemory:
    def test_a_ring_holds_no_block_before_the_first_byte_and_after_the_last(self) -> None:
        pool = BlockPool()
        ring = RingBuffer(5000, pool=pool)
        ring.write(b"")
        assert ring.capacity == 0
        for drain in (lambda: ring.read(4), ring.read_all, lambda: ring.discard(9), ring.clear, ring.release):
            ring.write(b"abcd")
            assert (ring.capacity, pool.held_bytes) == (8 * KIB, 0)
            drain()
            assert (len(ring), ring.capacity, pool.held_bytes) == (0, 0, 8 * KIB)

    def test_clear_and_release_may_be_repeated_and_leave_the_ring_usable(self) -> None:
        pool = BlockPool()
        ring = RingBuffer(pool=pool)
        for _ in range(3):
            ring.write(b"abcd")
            ring.clear()
            ring.release()
            ring.release()
        assert pool.held_blocks == 1
        ring.write(b"again")
        assert ring.read_all() == b"again"

    def test_a_ring_that_was_huge_and_keeps_ten_bytes_gives_the_memory_back(self) -> None:
        for step in (1, 999, KIB * KIB):
            ring = RingBuffer()
            data = pattern(KIB * KIB if step > 1 else 64 * KIB)
            ring.write(data)
            while len(ring) > 10:
                ring.discard(min(step, len(ring) - 10))
            assert ring.capacity == SMALLEST_BLOCK
            assert ring.read_all() == data[-10:]

    def test_a_ring_does_not_shrink_below_the_capacity_it_was_given(self) -> None:
        ring = RingBuffer(16 * KIB)
        ring.write(pattern(100 * KIB))
        ring.discard(100 * KIB - 1)
        assert ring.capacity == 16 * KIB

    def test_a_ring_that_shrank_has_room_for_as_much_again(self) -> None:
        for left in (KIB, 1025, 8 * KIB):
            ring = RingBuffer()
            ring.write(pattern(64 * KIB))
            ring.discard(64 * KIB - left)
            capacity = ring.capacity
            assert 2 * left <= capacity < 4 * left
            ring.write(bytes(left))
            assert ring.capacity == capacity

    def test_traffic_around_one_level_does_not_move_the_bytes_again_and_again(self) -> None:
        pool = BlockPool()
        ring = RingBuffer(pool=pool)
        for level in (511, 512, 513, KIB, KIB + 1, 8 * KIB):
            ring.clear()
            ring.write(bytes(level))
            ring.write(b"xx")
            ring.discard(2)
            capacity, blocks = ring.capacity, pool.held_blocks
            for _ in range(50):
                ring.write(b"xx")
                ring.discard(2)
                assert (ring.capacity, pool.held_blocks) == (capacity, blocks)

    def test_growing_and_shrinking_leave_the_old_blocks_to_the_pool(self) -> None:
        pool = BlockPool()
        ring = RingBuffer(pool=pool)
        for _ in range(4):
            ring.write(bytes(1000))
        assert (ring.capacity, pool.held_bytes) == (4 * KIB, KIB + 2 * KIB)
        ring.discard(3990)
        assert (ring.capacity, pool.held_bytes) == (KIB, 2 * KIB + 4 * KIB)


class TestViews:
    def test_peek_shows_the_block_itself_and_not_a_copy(self) -> None:
        ring = RingBuffer()
        ring.write(b"abcdef")
        head, tail = ring.peek(4)
        assert (bytes(head), bytes(tail)) == (b"abcd", b"")
        assert head.obj is ring.peek()[0].obj

    def test_a_view_cannot_be_written_to(self) -> None:
        for before_end in (50, 100):
            for view in wrapped_ring(pattern(100), before_end).peek():
                assert view.readonly
                with pytest.raises(TypeError):
                    view[0] = 1

    def test_a_caller_who_releases_views_does_no_harm(self) -> None:
        pool = BlockPool()
        ring = RingBuffer(pool=pool)
        for _ in range(2):
            for n in (None, 0):
                for view in ring.peek(n):
                    view.release()
            ring.write(b"abc")
        assert joined(ring.peek()) == b"abcabc"
        ring.release()
        assert pool.held_blocks == 1

    def test_every_operation_works_while_views_are_held(self) -> None:
        ring = RingBuffer(pool=BlockPool())
        model = bytearray()
        held = []
        for size in (10, 1014, 1, 5000, 3):
            ring.write(pattern(size))
            model += pattern(size)
            held.append(ring.peek())
            assert joined(held[-1]) == model
        held.append(ring.peek())
        ring.discard(6000)
        assert ring.read_all() == model[6000:]
        assert joined(held[-1]) == model

    @pytest.mark.parametrize("derive", [memoryview, lambda view: view[:], lambda view: view.cast("c")])
    def test_a_block_is_pooled_only_when_every_view_of_it_is_gone(
        self, derive: Callable[[memoryview], memoryview]
    ) -> None:
        pool = BlockPool()
        ring, other = RingBuffer(pool=pool), RingBuffer(pool=pool)
        ring.write(b"secret")
        view, _ = ring.peek()
        derived = derive(view)
        view.release()
        ring.release()
        assert pool.held_blocks == 0
        other.write(b"OTHERS")
        assert derived.tobytes() == b"secret"
        other.release()
        assert pool.held_blocks == 1


class TestBlockPool:
    @pytest.mark.parametrize(
        ("size", "length"),
        [(0, KIB), (1, KIB), (KIB, KIB), (KIB + 1, 2 * KIB), (65_535, 65_536), (65_536, 65_536), (65_537, 131_072)],
    )
    def test_blocks_are_powers_of_two(self, size: int, length: int) -> None:
        assert block_size(size) == len(BlockPool().acquire(size)) == length

    def test_a_block_that_came_back_is_handed_out_again(self) -> None:
        pool = BlockPool()
        block = pool.acquire(3000)
        pool.release(block)
        assert (pool.held_bytes, pool.held_blocks) == (4 * KIB, 1)
        assert repr(pool) == "<BlockPool 1 blocks, 4096 bytes in store>"
        assert pool.acquire(2000) is not block
        assert pool.acquire(4 * KIB) is block
        assert len(block) == 4 * KIB
        assert (pool.held_bytes, pool.held_blocks) == (0, 0)

    def test_asking_whether_a_block_has_views_changes_none_of_its_bytes(self) -> None:
        pool = BlockPool()
        block = pool.acquire(KIB)
        block[:] = pattern(KIB)
        pool.release(block)
        assert block == pattern(KIB)

    @pytest.mark.parametrize(
        ("pool", "held"),
        [
            (BlockPool(max_held_bytes=10 * KIB), (10 * KIB, 4)),  # two of 4 KiB and two of 1 KiB
            (BlockPool(max_held_blocks=3), (12 * KIB, 3)),
            (BlockPool(max_held_bytes=0), (0, 0)),
            (BlockPool(max_held_blocks=0), (0, 0)),
        ],
    )
    def test_the_store_is_bounded_in_bytes_and_in_number(self, pool: BlockPool, held: tuple[int, int]) -> None:
        for block in [pool.acquire(4 * KIB) for _ in range(4)] + [pool.acquire(KIB) for _ in range(4)]:
            pool.release(block)
        assert (pool.held_bytes, pool.held_blocks) == held

    def test_only_blocks_up_to_one_mebibyte_are_kept(self) -> None:
        pool = BlockPool(max_held_bytes=64 * KIB * KIB)
        pool.release(pool.acquire(LARGEST_POOLED_BLOCK + 1))
        assert pool.held_bytes == 0
        pool.release(pool.acquire(LARGEST_POOLED_BLOCK))
        assert pool.held_bytes == LARGEST_POOLED_BLOCK

    def test_giving_a_block_back_twice_is_an_error_and_two_rings_never_share(self) -> None:
        pool = BlockPool()
        block = pool.acquire(KIB)
        pool.release(block)
        with pytest.raises(ValueError, match="1024 bytes was given back before"):
            pool.release(block)
        assert pool.acquire(KIB) is block
        assert pool.acquire(KIB) is not block

    @pytest.mark.parametrize("length", [0, 1, 512, 1000, 1025, 3 * KIB])
    def test_what_cannot_be_a_block_is_refused(self, length: int) -> None:
        with pytest.raises(ValueError, match=f"has {length} bytes"):
            BlockPool().release(bytearray(length))


class TwoRingsOnOnePool(RuleBasedStateMachine):
    """Two connections of one loop, each against its own bytearray; what one does must never show in the other."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BlockPool(max_held_bytes=40 * KIB, max_held_blocks=6)
        self.rings = [RingBuffer(pool=self.pool), RingBuffer(3000, max_size=30_000, pool=self.pool)]
        self.models = [bytearray(), bytearray()]
        self.limits = [1 << 62, 30_000]
        self.floors = [KIB, 4 * KIB]
        self.kept: list[tuple[tuple[memoryview, memoryview], bytes]] = []

    @rule(who=st.integers(0, 1), size=SIZES, seed=st.integers(0, 250))
    def write(self, who: int, size: int, seed: int) -> None:
        self.write_bytes(who, pattern(size, seed))

    @rule(who=st.integers(0, 1), data=st.text("ab\n", max_size=30))
    def write_text(self, who: int, data: str) -> None:
        self.write_bytes(who, data.encode())

    def write_bytes(self, who: int, data: bytes) -> None:
        if len(self.models[who]) + len(data) > self.limits[who]:
            with pytest.raises(OverflowError, match="do not fit"):
                self.rings[who].write(data)
        else:
            self.rings[who].write(data)
            self.models[who] += data

    @rule(who=st.integers(0, 1))
    def fill_the_block_and_write_one_more(self, who: int) -> None:
        if self.rings[who].capacity <= 64 * KIB:  # every time doubles it: forty steps in a row would fill the machine
            self.write_bytes(who, pattern(self.rings[who].capacity - len(self.rings[who]), 7))
            self.write_bytes(who, b"+")

    @rule(who=st.integers(0, 1), n=SIZES)
    def read(self, who: int, n: int) -> None:
        if n > len(self.models[who]):
            with pytest.raises(BufferError, match="short buffer"):
                self.rings[who].read(n)
        else:
            assert self.rings[who].read(n) == self.models[who][:n]
            del self.models[who][:n]

    @rule(who=st.integers(0, 1), left=st.integers(0, 20))
    def read_nearly_all(self, who: int, left: int) -> None:
        self.read(who, max(0, len(self.models[who]) - left))

    @rule(who=st.integers(0, 1))
    def read_all(self, who: int) -> None:
        assert self.rings[who].read_all() == self.models[who]
        self.models[who].clear()

    @rule(who=st.integers(0, 1), n=SIZES)
    def peek(self, who: int, n: int) -> None:
        ring, model = self.rings[who], self.models[who]
        if n > len(model):
            for short in (ring.peek, ring.peek_bytes):
                with pytest.raises(BufferError, match="short buffer"):
                    short(n)
        else:
            assert joined(ring.peek(n)) == ring.peek_bytes(n) == model[:n]

    @rule(who=st.integers(0, 1), n=SIZES)
    def discard(self, who: int, n: int) -> None:
        assert self.rings[who].discard(n) == min(n, len(self.models[who]))
        del self.models[who][:n]

    @rule(who=st.integers(0, 1), needle=st.text("ab\n", max_size=5), start=SIZES)
    def find(self, who: int, needle: str, start: int) -> None:
        assert self.rings[who].find(needle.encode(), start) == self.models[who].find(needle.encode(), start)

    @rule(who=st.integers(0, 1), at=SIZES, size=st.integers(1, 300))
    def find_a_piece_of_itself(self, who: int, at: int, size: int) -> None:
        needle = bytes(self.models[who][at : at + size])
        assert self.rings[who].find(needle) == self.models[who].find(needle)

    @rule(who=st.integers(0, 1))
    def keep_views_beyond_the_release(self, who: int) -> None:
        self.kept.append((self.rings[who].peek(), bytes(self.models[who])))
        self.rings[who].release()
        self.models[who].clear()

    @invariant()
    def rings_agree_with_their_models(self) -> None:
        for ring, model in zip(self.rings, self.models, strict=True):
            assert len(ring) == len(model)
            assert ring.is_empty is (not model)
            assert joined(ring.peek()) == model

    @invariant()
    def kept_views_never_change(self) -> None:
        for views, content in self.kept:
            assert joined(views) == content

    @invariant()
    def memory_follows_what_waits(self) -> None:
        for ring, floor in zip(self.rings, self.floors, strict=True):
            assert ring.capacity & (ring.capacity - 1) == 0
            assert (ring.capacity == 0) is ring.is_empty
            assert len(ring) <= ring.capacity
            assert ring.capacity <= floor or ring.capacity < 8 * len(ring)
        assert self.pool.held_bytes <= 40 * KIB
        assert self.pool.held_blocks <= 6


TestTwoRingsOnOnePool = TwoRingsOnOnePool.TestCase
TestTwoRingsOnOnePool.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
