"""Fields: names with their values, in the order in which they came; a name may be there several times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

FieldsLike: TypeAlias = "Mapping[str, str] | Iterable[tuple[str, str]] | Fields"


class Fields:
    """What a query or a form says.

    ``fields["a"]`` is the first value of ``a``, ``fields.get_all("a")`` has all of them, ``fields.items()`` every pair
    in order.  Whoever builds on "the last one counts", as PHP does, sees another request than we do: where it matters,
    make sure that there is one.
    """

    def __init__(self, items: FieldsLike = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping | Fields) else items
        self._pairs: tuple[tuple[str, str], ...] = tuple((name, value) for name, value in pairs)
        self._by_name: dict[str, list[str]] = {}
        for name, value in self._pairs:
            self._by_name.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        """The first value; ``KeyError`` without one."""
        return self._by_name[name][0]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of that name."""
        values = self._by_name.get(name)
        return default if values is None else values[0]

    def get_all(self, name: str) -> list[str]:
        """Return every value of that name, in order."""
        return list(self._by_name.get(name, ()))

    def items(self) -> list[tuple[str, str]]:
        """Every pair, in order."""
        return list(self._pairs)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[str]:
        """Each name once, in the order in which they appear first."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._pairs == other._pairs

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.items()!r})"
