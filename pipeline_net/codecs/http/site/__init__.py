"""What a site is made of: stages and functions between ``server_stack()`` and the program.

::

    router                Router: which function answers which request (route_pattern, route_table)
    answers               HttpError, json_response(), redirect()
    streaming             responses that are written bit by bit
    event_stream          EventStream: server-sent events to one client (event_encoding)
    event_broadcast       EventBroadcast: the same events to all
    event_stream_reader   EventStreamReader: the client's side of it (event_stream_decoder)
    cors                  Cors: which other sites' pages may read what is answered (origins)
    redirection           Redirect: one origin for a site, HSTS
    basic_authentication  BasicAuthentication: a name and a password with each request
    access_log            AccessLog: a line for each request (access_record, access_log_file)
    exchanges             which request a part of a response answers
"""

from __future__ import annotations

from .access_log import AccessLog
from .access_log_file import AccessLogFile
from .access_record import AccessRecord, combined_format, common_format, timed_format
from .answers import HttpError, json_response, redirect
from .basic_authentication import BasicAuthentication, basic_credentials
from .cors import Cors, CorsPolicy
from .event_broadcast import EventBroadcast
from .event_encoding import encode_comment, encode_event
from .event_stream import EventStream
from .event_stream_decoder import EventStreamDecoder, ServerSentEvent
from .event_stream_reader import EventStreamReader
from .redirection import Redirect
from .router import Router
from .streaming import StreamingResponse

__all__ = [
    "AccessLog",
    "AccessLogFile",
    "AccessRecord",
    "BasicAuthentication",
    "Cors",
    "CorsPolicy",
    "EventBroadcast",
    "EventStream",
    "EventStreamDecoder",
    "EventStreamReader",
    "HttpError",
    "Redirect",
    "Router",
    "ServerSentEvent",
    "StreamingResponse",
    "basic_credentials",
    "combined_format",
    "common_format",
    "encode_comment",
    "encode_event",
    "json_response",
    "redirect",
    "timed_format",
]
