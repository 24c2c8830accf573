"""Limits, Deadlines and Leniency: what a house of HTTP takes, how long it waits, and what it forgives."""

from __future__ import annotations

from typing import Any, Final

import attrs

from ...option_checks import count


def _seconds(_: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:  # nan, too
        raise ValueError(f"{field.name} must be more than 0 seconds, or None for no deadline, not {value!r}")


@attrs.frozen(kw_only=True)
class Limits:
    """How much one message may be.  Sizes are bytes of the wire.

    Raises:
        ValueError: a limit is no whole number, or too small to let anything through.
    """

    max_start_line: int = attrs.field(default=8192, validator=count(16))
    """The request line or the status line, without its CRLF; a longer request line is a 414."""
    max_head: int = attrs.field(default=32768, validator=count(32))
    """The start line and all headers together; more is a 431."""
    max_headers: int = attrs.field(default=128, validator=count(1))
    """Header lines of one message, and of its trailers; more are a 431."""
    max_chunk_extensions: int = attrs.field(default=4096, validator=count(0))
    """What follows the sizes of chunks, in all chunks of a message together."""
    max_trailers: int = attrs.field(default=8192, validator=count(2))
    """The headers after a chunked body; more is a 431."""
    max_body: int = attrs.field(default=1024 * 1024, validator=count(0))
    """The content of one message; more is a 413, for an announced length before its first byte."""
    max_interim: int = attrs.field(default=16, validator=count(0))
    """Interim responses (1xx) before one final response; a client's limit."""
    max_pipelined: int = attrs.field(default=1, validator=count(1))
    """Requests that the application has at a time and has not answered.  Further ones wait undecoded, and reading
    pauses.  With more than 1, each part of a response says which request it answers (``to=request``)."""


@attrs.frozen(kw_only=True)
class Deadlines:
    """How long a server waits for a peer, in seconds; ``None`` for ever.

    Raises:
        ValueError: a deadline that is not above 0.
    """

    head: float | None = attrs.field(default=15.0, validator=_seconds)
    """From the first byte of a request to the end of its head, and from the connection to its first request."""
    body: float | None = attrs.field(default=30.0, validator=_seconds)
    """From the head to the end of the body, prolonged by a second for each ``min_body_rate`` bytes that came."""
    min_body_rate: int = attrs.field(default=500, validator=count(1))
    """Bytes per second that prolong ``body``: a large upload takes its time, a trickle does not."""
    idle: float | None = attrs.field(default=75.0, validator=_seconds)
    """Between two requests, and without progress of a peer that does not read its response."""
    min_read_rate: int = attrs.field(default=500, validator=count(1))
    """Bytes per second that a peer must take of a response that waits for it, on an average of ``idle`` seconds."""
    half_closed: float | None = attrs.field(default=600.0, validator=_seconds)
    """Without a byte of response, to a client that has ended its input.  It may still wait, and it may have gone:
    nobody can tell.  As long as its input is open, a response may take any time."""


@attrs.frozen(kw_only=True)
class Leniency:
    """What a decoder forgives; nothing, unless it is named.

    Each of these is an ambiguity that has been used to make two programs see different messages in the same bytes.
    Forgive only what a peer that you know cannot do without, and only where nobody else reads the same bytes.
    """

    bare_lf: bool = False
    """Lines of a head may end with LF alone."""
    obs_fold: bool = False
    """A header may go on in the next line, behind a blank; the fold becomes a space."""
    missing_host: bool = False
    """An HTTP/1.1 request needs no Host."""
    repeated_length: bool = False
    """Content-Length may be there twice, if both say the same."""
    coding_over_length: bool = False
    """With both Content-Length and Transfer-Encoding the latter counts, and the connection ends after the message."""


LIMITS: Final = Limits()
DEADLINES: Final = Deadlines()
STRICT: Final = Leniency()
