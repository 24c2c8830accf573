"""Accept-Encoding: which content codings a client takes, and which of ours it likes best.

::

    Accept-Encoding  = #( codings [ ";" "q=" qvalue ] )
    codings          = content-coding / "identity" / "*"
    qvalue           = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )

Source: RFC 9110, sections 12.4.2 and 12.5.3
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

IDENTITY: Final = "identity"
_DIGITS: Final = frozenset("0123456789")
_ALIASES: Final = {"x-gzip": "gzip"}


class AcceptEncoding:
    """What one client takes; ``None`` stands for a request that does not say.

    A part that is no coding with a weight is passed over, as if it were not there.
    """

    def __init__(self, value: str | None) -> None:
        self._weights: dict[str, int] = {}  # coding → thousandths
        for part in (value or "").split(","):
            name, _, parameter = part.partition(";")
            weight = _weight_of(parameter)
            name = name.strip(" \t").lower()
            if name and weight is not None:
                self._weights[_ALIASES.get(name, name)] = weight

    def weight(self, coding: str) -> int:
        """How much it likes ``coding``, in thousandths; 0 when it does not take it.

        RFC 9110 12.5.3: "If the representation has no content coding, then it is acceptable by default unless
        specifically excluded by the Accept-Encoding header field stating either "identity;q=0" or "*;q=0" without a
        more specific entry for "identity"."
        """
        if coding == IDENTITY:
            default = 0 if self._weights.get("*") == 0 else 1  # what nobody has asked for comes last
            return self._weights.get(IDENTITY, default)
        return self._weights.get(coding, self._weights.get("*", 0))

    @property
    def takes_identity(self) -> bool:
        """Whether it takes a body without a coding."""
        return self.weight(IDENTITY) > 0

    def choose(self, offered: Sequence[str]) -> str:
        """Return what it likes best of ``offered``, the first one of equals; ``identity`` if it likes that better, or
        takes none.
        """
        best, most = IDENTITY, 0
        for coding in offered:
            weight = self.weight(coding)
            if weight > most:
                best, most = coding, weight
        return IDENTITY if self.weight(IDENTITY) > most else best


def _weight_of(parameter: str) -> int | None:
    """Read ``q=0.5`` as 500, nothing as 1000, and what is neither as ``None``."""
    text = parameter.strip(" \t")
    if not text:
        return 1000
    name, _, value = text.partition("=")
    whole, _, fraction = value.strip(" \t").partition(".")
    if name.strip(" \t").lower() != "q" or whole not in ("0", "1") or len(fraction) > 3 or set(fraction) - _DIGITS:
        return None
    weight = int(whole) * 1000 + int(fraction.ljust(3, "0"))
    return weight if weight <= 1000 else None
