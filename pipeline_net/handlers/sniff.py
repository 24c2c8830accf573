"""SniffHandler: one port for several protocols, chosen by the first bytes.

::

    bytes ─▶ SniffHandler ──┬─ tls? ──────▶ TlsHandler, …
                 holds      ├─ http1? ────▶ HTTP's stages
                 them       ├─ resp? ─────▶ Redis' stages
                            └─ otherwise ─▶ …

The first choice whose probe says yes takes its place, and is given every byte that has come, as one piece.  A choice is
passed over only when its probe has said no: while one that stands earlier needs more bytes, later ones wait.  So what
is chosen does not depend on how the bytes were cut.

The stages that are seated see what every stage sees: ``channel_active`` is kept for them, and comes before the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import DecodeError, ReadTimeoutError
from ..pipeline import Stage
from .client_hello import MAX_CLIENT_HELLO
from .first_bytes import FirstBytes
from .probes import Probe

if TYPE_CHECKING:
    from ..channel import Channel
    from ..context import ChannelHandlerContext

Stages: TypeAlias = "Callable[[Channel], Iterable[Stage] | None]"  # as a bootstrap's initializer

_DEFAULT_LIMIT: Final = MAX_CLIENT_HELLO + 1024  # bytes; room for the heads of its records, too
_SHOWN: Final = 32  # bytes, in a complaint


class SniffHandler(FirstBytes[Any, Any]):
    """bytes → the same, to the stages that their beginning has chosen.

    ::

        SniffHandler(
            (probes.tls, lambda channel: wire() >> TlsHandler(…) >> …),
            (probes.resp, lambda channel: redis.server_stack() >> Commands(store)),
            otherwise=lambda channel: wire() >> LineBasedFrameDecoder(1024) >> Chat(),
        )

    Args:
        choices: a probe (see ``probes``), and a function that makes the stages, as a bootstrap's ``initializer`` does.
        otherwise: the stages for what no probe knows; without them such a connection is closed.
        silent: the stages for a peer that has not sent a byte when the deadline has passed: for protocols in which the
            server speaks first.  Without them it is treated like one that stopped in the middle.
        limit: bytes that probes may see; who needs more then is taken to have said no.
        deadline: seconds until whoever still needs more bytes is taken to have said no; ``None`` for never.

    Raises:
        DecodeError: to ``exception_caught``: nobody speaks what has come.
        ReadTimeoutError: to ``exception_caught``: too little has come in time, and there is no ``otherwise``.
        ValueError: there is no choice, or the limit or the deadline is not more than 0.
    """

    def __init__(
        self,
        *choices: tuple[Probe, Stages],
        otherwise: Stages | None = None,
        silent: Stages | None = None,
        limit: int = _DEFAULT_LIMIT,
        deadline: float | None = 10.0,
    ) -> None:
        super().__init__()
        if not choices:
            raise ValueError("there is nothing to choose from: give pairs of a probe and a function that makes stages")
        if limit < 1:
            raise ValueError(f"limit must be at least 1 byte, not {limit}")
        if deadline is not None and not deadline > 0:
            raise ValueError(f"deadline must be more than 0 seconds, not {deadline!r}")
        self._choices = choices
        self._otherwise = otherwise
        self._silent = silent
        self._limit = limit
        self._deadline = deadline

    def begin(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.wait_for_bytes(ctx, self._deadline)

    # -- choosing -----------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if self.is_done:
            return  # nobody was chosen, and what follows is for nobody
        self.hold(msg)
        if self._choose(ctx, len(self.held) >= self._limit):
            return
        if not ctx.channel.auto_read:
            ctx.read()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self.held and not self.is_done:
            self._choose(ctx, True)
            if ctx.is_removed:
                ctx.fire_channel_read_complete()
        ctx.fire_channel_eof()

    def _choose(self, ctx: ChannelHandlerContext[Any, Any], is_last: bool, is_late: bool = False) -> bool:
        """Ask the probes; with ``is_last`` there will be no more bytes to wait for.  Whether it is decided."""
        data = self.held[: self._limit]
        for probe, stages in self._choices:
            answer = self._ask(probe, data)
            if answer:
                self._seat(ctx, stages)
                return True
            if answer is None and not is_last:
                return False
        if self._otherwise is not None:
            self._seat(ctx, self._otherwise)
        elif is_late:
            self._give_up(
                ctx,
                ReadTimeoutError(
                    f"{ctx.channel.remote_address!r} has sent {_short(data)} in {self._deadline:g} s,"
                    " which says too little about what it speaks"
                ),
            )
        else:
            self._give_up(ctx, DecodeError(f"nobody here speaks what begins with {_short(data)}"))
        return True

    def _ask(self, probe: Probe, data: bytes) -> bool | None:
        try:
            return probe(data) if data else None
        except BaseException:
            self.stop()  # the pipeline reports it; asking again would bring the same
            self.held = b""
            raise

    def _seat(self, ctx: ChannelHandlerContext[Any, Any], stages: Stages) -> None:
        """Let the chosen stages take our place, and give them every byte."""
        self.stop()
        try:
            given = stages(ctx.channel)
        except BaseException:
            self.held = b""  # the pipeline reports it, and nobody will want the bytes
            raise
        if given is None or given is ctx.pipeline:  # it has seated them itself
            ctx.pipeline.remove(self)
        else:
            ctx.pipeline.replace(self, *given)
        self.pass_on(ctx)

    def too_late(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        try:
            had_bytes = len(self.held) > 0
            if self._silent is not None and not had_bytes:
                self._seat(ctx, self._silent)
            else:
                self._choose(ctx, True, True)
            if had_bytes and ctx.is_removed:
                ctx.fire_channel_read_complete()
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - what probes and makers of stages raise is the pipeline's to handle
            ctx.catch(exc)

    def _give_up(self, ctx: ChannelHandlerContext[Any, Any], error: Exception) -> None:
        self.stop()
        self.held = b""
        ctx.fire_exception_caught(error)
        ctx.close()


def _short(data: bytes) -> str:
    return f"{data[:_SHOWN]!r}{'…' if len(data) > _SHOWN else ''}"
