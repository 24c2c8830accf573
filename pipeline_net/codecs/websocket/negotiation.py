"""Deflate, and how two peers come to the DeflateParameters that both can live with.

::

    client offers    permessage-deflate; server_max_window_bits=12; client_max_window_bits, permessage-deflate
    server answers   permessage-deflate; server_max_window_bits=12; client_max_window_bits=12

The first offer that the server can meet to the letter is taken.  One with a parameter that nobody knows, a value out of
range, or a parameter twice is declined, and the next one is looked at; with no offer left, nothing is compressed.  A
client that gets an answer to something it has not offered fails the connection.

zlib cannot compress with a window of 256 bytes (8 bits): that is declined, too.

Source: RFC 7692, sections 5 and 7.1
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from .deflate_parameters import DeflateParameters
from .extensions import Extension, format_extension

NAME: Final = "permessage-deflate"
_SERVER_BITS: Final = "server_max_window_bits"
_CLIENT_BITS: Final = "client_max_window_bits"
_SERVER_FRESH: Final = "server_no_context_takeover"
_CLIENT_FRESH: Final = "client_no_context_takeover"
_LEAST: Final = 9  # bits; zlib makes no smaller window
_MOST: Final = 15
_BITS: Final = {str(bits): bits for bits in range(8, 16)}  # RFC 7692 7.1.2: "without leading zeroes"


def _within(least: int, most: int) -> Any:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{field.name} must be a whole number from {least} to {most}, not {value!r}")

    return check


@attrs.frozen(kw_only=True)
class Deflate:
    """What we would like of permessage-deflate; a peer may want less.

    The defaults cost a connection about 40 KiB once it compresses and inflates with context takeover, and half a
    megabyte with windows of 15 bits would be the price of a few percent.  Whoever sends the same to many sets
    ``server_no_context_takeover``: then it is compressed once for all of them, and nothing is kept between messages.

    Raises:
        ValueError: a number that zlib does not know.
    """

    server_max_window_bits: int = attrs.field(default=12, validator=_within(_LEAST, _MOST))
    """How far back the server refers when it compresses: 2 to the power of this bytes."""
    client_max_window_bits: int = attrs.field(default=12, validator=_within(_LEAST, _MOST))
    """How far the client does; only clients that say so can be told."""
    server_no_context_takeover: bool = False
    """Whether the server compresses each message by itself."""
    client_no_context_takeover: bool = False
    level: int = attrs.field(default=6, validator=_within(0, 9))
    """From 0, stored, over 1, quick, to 9, small."""
    mem_level: int = attrs.field(default=5, validator=_within(1, 9))
    threshold: int = attrs.field(default=256, validator=_within(0, 2**31))
    """Messages of fewer bytes go as they are."""

    def parameters(
        self, *, server_bits: int, client_bits: int, server_fresh: bool, client_fresh: bool
    ) -> DeflateParameters:
        """Join what was agreed on with what is our own affair."""
        return DeflateParameters(
            server_max_window_bits=server_bits,
            client_max_window_bits=client_bits,
            server_no_context_takeover=server_fresh,
            client_no_context_takeover=client_fresh,
            level=self.level,
            mem_level=self.mem_level,
            threshold=self.threshold,
        )


# -- servers ----------------------------------------------------------------------------------------------


def choose(offers: list[Extension], ours: Deflate) -> tuple[str, DeflateParameters] | None:
    """Take the first offer that can be met; return the answer, and what it means; ``None`` for no compression."""
    for name, parameters in offers:
        if name == NAME:
            wanted = _read(parameters, is_answer=False)
            if wanted is not None:
                return _meet(wanted, ours)
    return None


def _meet(wanted: dict[str, int | bool], ours: Deflate) -> tuple[str, DeflateParameters]:
    server_bits = min(int(wanted.get(_SERVER_BITS, _MOST)), ours.server_max_window_bits)
    knows_client_bits = _CLIENT_BITS in wanted
    client_bits = min(int(wanted.get(_CLIENT_BITS, _MOST)), ours.client_max_window_bits) if knows_client_bits else _MOST
    server_fresh = _SERVER_FRESH in wanted or ours.server_no_context_takeover
    client_fresh = _CLIENT_FRESH in wanted or ours.client_no_context_takeover
    answer: list[tuple[str, str | None]] = []
    if server_fresh:
        answer.append((_SERVER_FRESH, None))
    if client_fresh:
        answer.append((_CLIENT_FRESH, None))
    if server_bits < _MOST or _SERVER_BITS in wanted:
        answer.append((_SERVER_BITS, str(server_bits)))
    # RFC 7692 7.1.2.2: "If a received extension negotiation offer doesn't have the "client_max_window_bits" extension
    # parameter, the corresponding extension negotiation response to the offer MUST NOT include" it.
    if knows_client_bits and client_bits < _MOST:
        answer.append((_CLIENT_BITS, str(client_bits)))
    agreed = ours.parameters(
        server_bits=server_bits, client_bits=client_bits, server_fresh=server_fresh, client_fresh=client_fresh
    )
    return format_extension(NAME, answer), agreed


def _read(parameters: list[tuple[str, str | None]], *, is_answer: bool) -> dict[str, int | bool] | None:
    """Find out what parameters say; ``None`` if they break the rules, or ask for what zlib cannot do."""
    found: dict[str, int | bool] = {}
    for name, value in parameters:
        if name in found:
            return None
        if name in (_SERVER_FRESH, _CLIENT_FRESH):
            if value is not None:
                return None
            found[name] = True
        elif name in (_SERVER_BITS, _CLIENT_BITS):
            bits = _BITS.get(value) if value is not None else None
            if value is None and name == _CLIENT_BITS and not is_answer:
                bits = _MOST  # "I can be told": the value is optional in offers
            compressor = _CLIENT_BITS if is_answer else _SERVER_BITS
            if bits is None or (name == compressor and bits < _LEAST):
                return None
            found[name] = bits
        else:
            return None
    return found


# -- clients ----------------------------------------------------------------------------------------------


def offer(ours: Deflate) -> str:
    """Say what we would like, then what we can live with."""
    wish: list[tuple[str, str | None]] = []
    if ours.server_no_context_takeover:
        wish.append((_SERVER_FRESH, None))
    if ours.client_no_context_takeover:
        wish.append((_CLIENT_FRESH, None))
    if ours.server_max_window_bits < _MOST:
        wish.append((_SERVER_BITS, str(ours.server_max_window_bits)))
    may_be_told: tuple[str, str | None] = (
        _CLIENT_BITS,
        None if ours.client_max_window_bits == _MOST else str(ours.client_max_window_bits),
    )
    first = format_extension(NAME, [*wish, may_be_told])
    if ours.server_max_window_bits == _MOST and not ours.server_no_context_takeover:
        return first
    # Not every server can make its window smaller, or forget: it may compress as it likes.
    return f"{first}, {format_extension(NAME, [(_CLIENT_BITS, None)])}"


def check_answer(answered: list[Extension], ours: Deflate | None) -> DeflateParameters | None:
    """Find out what a server has agreed to.

    Raises:
        ValueError: it answers what was not offered, or what is no answer.
    """
    agreed: DeflateParameters | None = None
    for name, parameters in answered:
        if name != NAME or ours is None:
            # RFC 6455 4.1: "… indicates the use of an extension that was not present in the client's handshake … the
            # client MUST _Fail the WebSocket Connection_."
            raise ValueError(f"the server uses the extension {name[:40]!r}, which was not offered")
        if agreed is not None:
            raise ValueError(f"the server uses {NAME} twice")
        agreed = _agree(parameters, ours)
    return agreed


def _agree(parameters: list[tuple[str, str | None]], ours: Deflate) -> DeflateParameters:
    said = _read(parameters, is_answer=True)
    if said is None:
        raise ValueError(f"no client can do what the server answers: {format_extension(NAME, parameters)[:200]}")
    return ours.parameters(
        server_bits=int(said.get(_SERVER_BITS, _MOST)),
        # We may refer less far back than we are allowed to.
        client_bits=min(int(said.get(_CLIENT_BITS, _MOST)), ours.client_max_window_bits),
        server_fresh=_SERVER_FRESH in said,
        client_fresh=_CLIENT_FRESH in said or ours.client_no_context_takeover,
    )
