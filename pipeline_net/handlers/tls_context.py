"""ClientTls and ServerTls: what a whole program agrees upon, from which each connection gets its TlsHandler.

The defaults are the safe ones: TLS 1.2 or newer, no compression, no renegotiation; a client verifies the server's
certificate and its name (``tls_verification``).

Certificates change while a server runs.  ``reload()`` makes new contexts out of the files and, only if all of them are
good, gives these to the connections that come from then on; those that are open keep what they have.

Contexts are made on the thread that asks, and only read afterwards: loops share them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from ..errors import TlsError
from .tls import TlsHandler, check_tls_timeouts
from .tls_verification import ANYBODY_MAY_POSE_AS_THE_SERVER, UnverifiedContext, Verification, is_server_context

StrPath = str | os.PathLike[str]
Password = str | bytes | Callable[[], str | bytes] | None
Version = ssl.TLSVersion

_OLDEST: Final = Version.TLSv1_2  # unless somebody says otherwise

_MOST_SESSIONS: Final = 1000  # of a client, one for each server


class TlsSessions(dict[str, ssl.SSLSession]):
    """Sessions of a client by name of the server, at most ``limit`` of them; the oldest makes room."""

    def __init__(self, limit: int = _MOST_SESSIONS) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, name: str, session: ssl.SSLSession) -> None:
        self.pop(name, None)
        while len(self) >= self._limit:
            try:
                self.pop(next(iter(self), name), None)
            except RuntimeError:
                continue  # another loop has taken one, or put one in, in the middle of this
        super().__setitem__(name, session)


class ClientTls:
    """What the TLS connections of a client have in common.

    Args:
        ca: a file of certificates (PEM) that are trusted instead of the system's.
        certificate, key: files (PEM) that say who we are, for servers that ask; the key may be in the first one.
        password: of the key.
        server_hostname: expect this name in every server's certificate, instead of the host of the address.
        alpn: protocols we speak, the best first, such as ``["h2", "http/1.1"]``.
        verify: ``ANYBODY_MAY_POSE_AS_THE_SERVER`` takes any certificate.
        minimum_version: the oldest TLS that will do.
        key_log: a file to which the secrets are appended, with which Wireshark can read along.
        context: a context of your own instead of all the above but ``server_hostname``.
        handshake_timeout, close_notify_timeout: seconds; see ``TlsHandler``.

    Raises:
        TlsError: a file cannot be used, or does not hold what it should.
        ValueError: the arguments contradict each other, or one makes no sense; with a ``context``, any would be without
            effect that the context should have.
    """

    def __init__(
        self,
        *,
        ca: StrPath | None = None,
        certificate: StrPath | None = None,
        key: StrPath | None = None,
        password: Password = None,
        server_hostname: str | None = None,
        alpn: Sequence[str] = (),
        verify: Literal[True] | Verification = True,
        minimum_version: ssl.TLSVersion = _OLDEST,
        key_log: StrPath | None = None,
        context: ssl.SSLContext | None = None,
        handshake_timeout: float = 10.0,
        close_notify_timeout: float = 0.0,
    ) -> None:
        check_tls_timeouts(handshake_timeout, close_notify_timeout)
        if verify is not True and verify is not ANYBODY_MAY_POSE_AS_THE_SERVER:
            raise ValueError(f"verify= is True or ANYBODY_MAY_POSE_AS_THE_SERVER, not {verify!r}")
        if context is None:
            context = _client_context(ca, verify is True)
            context.minimum_version = minimum_version
            _load_certificate(context, certificate, key, password)
            _set_alpn(context, alpn)
            _set_key_log(context, key_log)
        elif is_server_context(context):
            raise ValueError(f"{context!r} is for a server, and this is a client")
        else:
            _refuse_beside_context(
                ca=ca is not None,
                certificate=certificate is not None,
                key=key is not None,
                password=password is not None,
                alpn=bool(alpn),
                verify=verify is not True,
                minimum_version=minimum_version != _OLDEST,
                key_log=key_log is not None,
            )
        self.context: Final = context
        self.server_hostname: Final = server_hostname
        self.sessions: Final = TlsSessions()
        self._handshake_timeout = handshake_timeout
        self._close_notify_timeout = close_notify_timeout

    def handler(self, host: str | None = None) -> TlsHandler:
        """Make the stage of a connection to ``host``, whose name the certificate must have."""
        name = self.server_hostname or (None if host is None else host.partition("%")[0].removesuffix("."))
        return TlsHandler(
            self.context,
            server_hostname=name,
            sessions=self.sessions,
            handshake_timeout=self._handshake_timeout,
            close_notify_timeout=self._close_notify_timeout,
        )


class ServerTls:
    """What the TLS connections of a server have in common.

    Args:
        certificate, key: files (PEM): the certificate with those between it and its authority, and its key, which may
            be in the first file.
        password: of the key, or of all keys.
        names: other certificates for other names that clients may ask for (SNI): ``{"a.example": (certificate, key)}``.
            ``"*.b.example"`` stands for one label.  Who asks for none of these gets the one above.
        client_ca: a file of certificates (PEM): whom clients must show a certificate of.
        client_certificate: ``"optional"`` takes those that show none, too.
        alpn: protocols we speak, the best first.
        minimum_version: the oldest TLS that will do.
        key_log: a file to which the secrets are appended, with which Wireshark can read along.
        context: a context of your own instead of all the above.
        handshake_timeout, close_notify_timeout: seconds; see ``TlsHandler``.

    Raises:
        TlsError: a file cannot be used, or does not hold what it should.
        ValueError: the arguments contradict each other, or one makes no sense; with a ``context``, any would be without
            effect that the context should have.
    """

    def __init__(
        self,
        certificate: StrPath | None = None,
        key: StrPath | None = None,
        *,
        password: Password = None,
        names: Mapping[str, tuple[StrPath, StrPath | None]] | None = None,
        client_ca: StrPath | None = None,
        client_certificate: Literal["required", "optional"] = "required",
        alpn: Sequence[str] = (),
        minimum_version: ssl.TLSVersion = _OLDEST,
        key_log: StrPath | None = None,
        context: ssl.SSLContext | None = None,
        handshake_timeout: float = 10.0,
        close_notify_timeout: float = 0.0,
    ) -> None:
        if (certificate is None) == (context is None):
            raise ValueError("ServerTls wants a certificate, or else a context")
        if client_certificate not in ("required", "optional"):
            raise ValueError(f"client_certificate= is 'required' or 'optional', not {client_certificate!r}")
        check_tls_timeouts(handshake_timeout, close_notify_timeout)
        if context is not None:
            if not is_server_context(context):
                raise ValueError(f"{context!r} is for a client, and this is a server")
            _refuse_beside_context(
                key=key is not None,
                password=password is not None,
                names=bool(names),
                client_ca=client_ca is not None,
                client_certificate=client_certificate != "required",
                alpn=bool(alpn),
                minimum_version=minimum_version != _OLDEST,
                key_log=key_log is not None,
            )
        self._certificate = certificate
        self._key = key
        self._password = password
        self._names = dict(names or {})
        self._client_ca = client_ca
        self._demand = ssl.CERT_REQUIRED if client_certificate == "required" else ssl.CERT_OPTIONAL
        self._alpn = alpn
        self._minimum_version = minimum_version
        self._key_log = key_log
        self._handshake_timeout = handshake_timeout
        self._close_notify_timeout = close_notify_timeout
        self._files = self._looked_at()
        self._context: ssl.SSLContext = self._make() if context is None else context

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection gets."""
        return self._context

    def handler(self) -> TlsHandler:
        """Make the stage of a connection."""
        return TlsHandler(
            self._context,
            handshake_timeout=self._handshake_timeout,
            close_notify_timeout=self._close_notify_timeout,
        )

    def reload(self) -> None:
        """Read all files again, for the connections that come from now on.

        Raises:
            TlsError: something is wrong with the new files; the old contents stay in use.
        """
        if self._certificate is None:
            return  # somebody else's context
        files = self._looked_at()
        self._context = self._make()
        self._files = files

    def reload_if_changed(self) -> bool:
        """Reload if a file is another one than it was; whether it was.  For a timer, such as ``schedule_every``.

        Raises:
            TlsError: like ``reload()``; also the next time, as long as the files are broken.
        """
        if self._looked_at() == self._files:
            return False
        self.reload()
        return True

    def _looked_at(self) -> list[tuple[int, int, int]]:
        """Which files they are now, and when they were written."""
        pairs = [(self._certificate, self._key), *self._names.values(), (self._client_ca, None)]
        found = []
        for path in (path for pair in pairs for path in pair if path is not None):
            try:
                facts = os.stat(path)
            except OSError as exc:
                raise _unreadable(path, exc) from exc
            found.append((facts.st_ino, facts.st_mtime_ns, facts.st_size))
        return found

    def _make(self) -> ssl.SSLContext:
        context = self._make_one(self._certificate, self._key)
        if self._names:
            others = {
                _checked_name(name): self._make_one(certificate, key)
                for name, (certificate, key) in self._names.items()
            }
            context.sni_callback = _ByName(others)
        else:
            context.sni_callback = _remember_name
        return context

    def _make_one(self, certificate: StrPath | None, key: StrPath | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._minimum_version
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.options |= ssl.OP_SINGLE_DH_USE | ssl.OP_SINGLE_ECDH_USE
        _load_certificate(context, certificate, key, self._password)
        _set_alpn(context, self._alpn)
        if self._client_ca is not None:
            context.verify_mode = self._demand
            _load_authorities(context, self._client_ca)
        _set_key_log(context, self._key_log)
        return context


class _ByName:
    """Chooses a context by the name that a client asks for; called by OpenSSL in the middle of a handshake."""

    def __init__(self, contexts: dict[str, ssl.SSLContext]) -> None:
        self._contexts = contexts

    def __call__(self, tls: Any, name: str | None, first: ssl.SSLContext) -> None:
        if name is None:
            return
        tls.asked_for = name
        name = name.lower().removesuffix(".")
        chosen = self._contexts.get(name)
        if chosen is None:
            chosen = self._contexts.get("*." + name.partition(".")[2])
        if chosen is not None:
            tls.context = chosen


def _remember_name(tls: Any, name: str | None, first: ssl.SSLContext) -> None:
    if name is not None:
        tls.asked_for = name


def _checked_name(name: str) -> str:
    bare = name.removeprefix("*.")
    try:
        bare.encode("ascii")
    except UnicodeEncodeError as exc:
        raise ValueError(f"{name!r}: clients ask for names in their ASCII form, xn--…") from exc
    if not bare or "*" in bare:
        raise ValueError(f"{name!r} is no name, nor '*.' and a name")
    return name.lower().removesuffix(".")


def _client_context(ca: StrPath | None, verify: bool) -> ssl.SSLContext:
    if not verify:
        context: ssl.SSLContext = UnverifiedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies, names too
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a ca= file may hold just what the server shows
    if ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, ca)
    return context


def _load_authorities(context: ssl.SSLContext, path: StrPath) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _load_certificate(
    context: ssl.SSLContext, certificate: StrPath | None, key: StrPath | None, password: Password
) -> None:
    if certificate is None:
        if key is not None:
            raise ValueError(f"the key {os.fspath(key)!r} is of no use without its certificate")
        return
    for path in (certificate, key):
        if path is not None and not os.access(path, os.R_OK):
            try:
                open(path, "rb").close()  # for an error that names the file
            except OSError as exc:
                raise _unreadable(path, exc) from exc
    try:
        # Without a password OpenSSL would ask for one on the terminal, in the middle of a server's start.
        context.load_cert_chain(certificate, key, _no_password if password is None else password)
    except (OSError, ValueError) as exc:  # SSLError is an OSError
        where = f"{os.fspath(certificate)!r}" + (f" and {os.fspath(key)!r}" if key is not None else "")
        raise _unreadable(where, exc, _explained(exc)) from exc


def _explained(exc: Exception) -> str | None:
    """Say what OpenSSL means by a few words that everybody meets once."""
    for words, meaning in _MEANINGS:
        if words in str(exc):
            return meaning
    return None


_NOT_ITS_KEY: Final = "the key belongs to another certificate"
_MEANINGS: Final = (
    ("PEM lib", "a certificate and its private key, in PEM form, are not both in there"),
    ("KEY_VALUES_MISMATCH", _NOT_ITS_KEY),
    ("KEY_TYPE_MISMATCH", _NOT_ITS_KEY),
    ("NO_CERTIFICATE_ASSIGNED", _NOT_ITS_KEY),  # a key of another algorithm
)


def _no_password() -> str:
    raise ValueError("the key is encrypted, and no password= was given")


def _unreadable(what: StrPath, exc: Exception, meaning: str | None = None) -> TlsError:
    if meaning is None:
        reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or str(exc)
        meaning = str(reason).replace("_", " ").lower()
    error = TlsError(f"cannot use {os.fspath(what)} for TLS: {meaning}")
    error.__cause__ = exc
    return error


def _set_alpn(context: ssl.SSLContext, protocols: Sequence[str]) -> None:
    if isinstance(protocols, str):
        raise ValueError(f"alpn= is a list of protocols, such as [{protocols!r}]")
    try:
        if protocols:
            context.set_alpn_protocols(list(protocols))
    except (ssl.SSLError, TypeError, UnicodeEncodeError) as exc:
        raise ValueError(f"alpn= is a list of ASCII names of 1 to 255 characters, not {protocols!r}") from exc


def _set_key_log(context: ssl.SSLContext, path: StrPath | None) -> None:
    if path is None:
        return
    try:
        context.keylog_filename = os.fspath(path)
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _refuse_beside_context(**given: bool) -> None:
    """Refuse what a context of one's own should have: who asks for client certificates must not go without them."""
    names = [f"{name}=" for name, is_given in given.items() if is_given]
    if names:
        raise ValueError(f"context= is used as it is, and {', '.join(names)} would have no effect: set up the context")


ServerTlsLike = ServerTls | ssl.SSLContext | StrPath | tuple[StrPath, StrPath]
ClientTlsLike = ClientTls | ssl.SSLContext


def as_server_tls(given: ServerTlsLike, *, alpn: Sequence[str] = ()) -> ServerTls:
    """Take what ``tls=`` of a server may be: a ServerTls, a context, a PEM file with both, or certificate and key.

    Args:
        alpn: protocols we speak, for files; a ServerTls or a context has its own, or none.

    Raises:
        TypeError: it is something else.
        TlsError: a file cannot be read, or does not hold what it should.
    """
    if isinstance(given, ServerTls):
        return given
    if isinstance(given, ssl.SSLContext):
        return ServerTls(context=given)
    if isinstance(given, (str, os.PathLike)):
        return ServerTls(given, alpn=alpn)
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(path, (str, os.PathLike)) for path in given):
        return ServerTls(*given, alpn=alpn)
    raise TypeError(
        f"tls= of a server is a ServerTls, an SSLContext, a PEM file, or (certificate, key), and not {given!r}"
    )


def as_client_tls(given: ClientTlsLike | None) -> ClientTls:
    """Take what ``tls=`` of a client may be: a ClientTls, a context, or ``None`` for the system's authorities.

    Raises:
        TypeError: it is something else.
    """
    if given is None:
        return ClientTls()
    if isinstance(given, ClientTls):
        return given
    if isinstance(given, ssl.SSLContext):
        return ClientTls(context=given)
    raise TypeError(f"tls= of a client is a ClientTls or an SSLContext, and not {given!r}")
