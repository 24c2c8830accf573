"""What a site is made of: stages and functions between ``server_stack()`` and the program.

router              Router: which function answers which request (route_pattern, route_table)
answers             HttpError, json_response(), redirect()
streaming           responses that are written bit by bit
"""

from __future__ import annotations

from .answers import HttpError, json_response, redirect
from .router import Router
from .streaming import StreamedResponse

__all__ = ["HttpError", "Router", "StreamedResponse", "json_response", "redirect"]
