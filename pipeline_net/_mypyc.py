"""What compiled modules say to mypyc, or stand-ins, so that nothing is needed at run time.

``mypy_extensions`` is a build dependency only.  mypyc recognises these names while it compiles; an interpreter
that runs the pure files needs something that does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mypy_extensions import i64 as i64
    from mypy_extensions import mypyc_attr as mypyc_attr
    from mypy_extensions import trait as trait
else:
    try:
        from mypy_extensions import i64, mypyc_attr, trait
    except ImportError:
        i64 = int

        def mypyc_attr(*names: str, **values: Any) -> Any:
            return lambda cls: cls

        def trait(cls: Any) -> Any:
            return cls


E = TypeVar("E", bound=BaseException)


def with_cause(error: E, cause: BaseException) -> E:
    """Set ``__cause__``: a compiled ``raise … from`` does not."""
    error.__cause__ = cause
    return error


__all__ = ["i64", "mypyc_attr", "trait", "with_cause"]
