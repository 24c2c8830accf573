"""EventBroadcast: the same events to everybody who listens, encoded once."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final

from ....errors import ChannelClosedError
from ....loop import Loop
from .event_encoding import encode_event
from .event_stream import EventStream

_logger: Final = logging.getLogger("pipeline_net.http")


class EventBroadcast:
    """A set of ``EventStream`` that forgets those that have ended.

    An event is encoded once, however many listen, and each loop is asked once, however many of them it serves.

    Args:
        history: events with an id that are kept for clients that come back: such a client gets those after the one that
            it saw last, or all that there are, if that is not among them any more.

    Raises:
        ValueError: a negative ``history``.
    """

    def __init__(self, *, history: int = 0) -> None:
        if history < 0:
            raise ValueError(f"history is a number of events, and cannot be {history!r}")
        # dict and deque, for each change and each copy of them is one indivisible step; see ChannelGroup.  What is done
        # to both has the lock: who comes back gets each event once, out of the history or because it listens.
        self._lock: Final = threading.RLock()  # to begin a stream may end it, or call whoever sends
        self._streams: dict[EventStream, None] = {}
        self._history: deque[tuple[str, bytes]] = deque(maxlen=history)

    def __len__(self) -> int:
        """How many listen."""
        return len(self._streams)

    def __repr__(self) -> str:
        return f"<EventBroadcast to {len(self)}>"

    def add(self, stream: EventStream) -> EventStream:
        """Let a stream listen until it ends, beginning with what it has missed; returns it."""
        with self._lock:
            if stream.last_event_id is not None:
                for event in self._since(stream.last_event_id):
                    stream.send_encoded(event)
            self._streams[stream] = None
        stream.when_ended(self._forget)
        return stream

    def _since(self, seen: str) -> list[bytes]:
        kept = list(self._history)
        for index, (known, _) in enumerate(kept):
            if known == seen:
                return [event for _, event in kept[index + 1 :]]
        return [event for _, event in kept]

    def _forget(self, stream: EventStream) -> None:
        self._streams.pop(stream, None)

    def send(self, data: str, *, event: str | None = None, id: str | None = None, retry: int | None = None) -> None:
        """Send one event to all; see ``encode_event``.  From any thread.

        Raises:
            EncodeError: the event cannot be encoded.
        """
        encoded = encode_event(data, event=event, id=id, retry=retry)
        with self._lock:
            if id:
                self._history.append((id, encoded))
            listening = list(self._streams)
        loops: dict[Loop, list[EventStream]] = {}
        for stream in listening:
            loop = stream.loop
            if loop is None:
                stream.send_encoded(encoded)
            else:
                loops.setdefault(loop, []).append(stream)
        for home, streams in loops.items():
            self._send_on(home, streams, encoded)

    def close(self) -> None:
        """End all streams in good order."""
        for stream in list(self._streams):
            stream.close()

    def _send_on(self, loop: Loop, streams: list[EventStream], encoded: bytes) -> None:
        if loop.in_loop:
            _send_to(streams, encoded)
            return
        keeping_up = [stream for stream in streams if stream.takes_place(encoded)]
        try:
            if keeping_up:
                loop.execute(_arrive_at, keeping_up, encoded)
        except ChannelClosedError:
            _logger.debug("%s has stopped, and with it %d streams", loop.name, len(streams))


def _send_to(streams: list[EventStream], encoded: bytes) -> None:
    for stream in streams:
        stream.send_on_loop(encoded)


def _arrive_at(streams: list[EventStream], encoded: bytes) -> None:
    for stream in streams:
        stream.arrive(encoded)
