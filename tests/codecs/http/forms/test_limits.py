"""How much a form may be."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pipeline_net.codecs.http import FormLimits


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(FormLimits)])
@pytest.mark.parametrize("value", [-1, 1.5, "1", True, 2**63])
def test_a_limit_is_a_whole_number(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} must be a whole number from 0"):
        FormLimits(**{field: value})
