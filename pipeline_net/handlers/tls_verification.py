"""Which contexts a TlsHandler takes: one that says which side it is for; and, for a client, one that verifies.

To talk to a server without knowing who it is, one has to write ``verify=ANYBODY_MAY_POSE_AS_THE_SERVER``.  Nothing that
is typed in a hurry or copied from somewhere does it: not ``verify=False``, and not a context that verifies nobody.
"""

from __future__ import annotations

import ssl
from enum import Enum
from typing import Final


class Verification(Enum):
    """How to say that verifying is not wanted."""

    NONE = "anybody may pose as the server"


ANYBODY_MAY_POSE_AS_THE_SERVER: Final = Verification.NONE
"""For ``ClientTls(verify=…)``: take whatever certificate is shown.  Whoever sits in between reads and writes along."""


class UnverifiedContext(ssl.SSLContext):
    """A client's context that verifies nobody, made by somebody who said so."""


def is_server_context(context: ssl.SSLContext) -> bool:
    """Tell which side a context was made for.

    Raises:
        ValueError: it is for both, or it is no context.
    """
    protocol = context.protocol if isinstance(context, ssl.SSLContext) else None
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        return True
    if protocol == ssl.PROTOCOL_TLS_CLIENT:
        return False
    raise ValueError(
        f"TLS needs an SSLContext(PROTOCOL_TLS_CLIENT) or SSLContext(PROTOCOL_TLS_SERVER), which says which side it is;"
        f" not {context!r}"
    )


def check_client_context(context: ssl.SSLContext, server_hostname: str | None) -> None:
    """Refuse a client that would talk to anybody without having been told to.

    Raises:
        ValueError: saying what is not verified, and what to do.
    """
    if isinstance(context, UnverifiedContext):
        return
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        what = "the server's name" if context.verify_mode == ssl.CERT_REQUIRED else "who the server is"
        raise ValueError(
            f"this context does not verify {what}, so anybody could pose as the server; if that is what you want,"
            " make it with ClientTls(verify=ANYBODY_MAY_POSE_AS_THE_SERVER)"
        )
    if not server_hostname:
        raise ValueError("a TLS client needs server_hostname=, the name that the server's certificate must have")
