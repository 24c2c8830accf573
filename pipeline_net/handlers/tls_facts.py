"""TlsHandshakeDone: what the two sides have agreed upon, as a user event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl


class TlsHandshakeDone:
    """User event: the handshake is done, and the peer is who its certificate says, as far as that was asked for.

    It comes before the first byte that the peer has encrypted, and before what was written meanwhile is sent: a handler
    that does not like what it sees may still ``abort()``.
    """

    def __init__(self, tls: ssl.SSLObject, server_name: str | None) -> None:
        self._tls = tls
        self.version: str = tls.version() or ""
        """``"TLSv1.3"``"""
        cipher = tls.cipher()
        self.cipher: str = "" if cipher is None else cipher[0]
        """OpenSSL's name of the cipher suite, such as ``"TLS_AES_256_GCM_SHA384"``."""
        self.alpn: str | None = tls.selected_alpn_protocol()
        """The protocol that both sides know, ``None`` when they have not talked about that."""
        self.server_name = server_name
        """The name that the client asked for (SNI), ``None`` when it asked for none."""
        self.is_resumed: bool = bool(tls.session_reused)
        """Whether a session of before was taken up again."""

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's certificate (DER), ``None`` when it has shown none."""
        return self._tls.getpeercert(True)

    @property
    def peer_identity(self) -> dict[str, Any]:
        """What the peer's certificate says, as ``SSLSocket.getpeercert()`` puts it; empty when it was not verified."""
        return dict(self._tls.getpeercert() or {})

    @property
    def peer_names(self) -> list[str]:
        """The common names of a verified certificate, then its DNS names and addresses."""
        identity = self.peer_identity
        names = [value for part in identity.get("subject", ()) for key, value in part if key == "commonName"]
        return names + [value for kind, value in identity.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]

    def channel_binding(self, kind: str = "tls-unique") -> bytes | None:
        """Bytes that only the two ends of this connection know (RFC 5929), for logins that are bound to it."""
        return self._tls.get_channel_binding(kind)

    def __repr__(self) -> str:
        return (
            f"TlsHandshakeDone({self.version}, {self.cipher}, alpn={self.alpn!r}, server_name={self.server_name!r}"
            f"{', resumed' if self.is_resumed else ''})"
        )
