"""Queries, cookies and forms, uploads included.

::

    fields          Fields: names with their values, several of one name
    urlencoded      parse_query, build_query; forms that are sent like queries
    cookies         Cookies: what a browser sends back
    set_cookie      SetCookie: what it shall keep
    cookie_signer   CookieSigner: what only the server can have written
    stages          Forms and FormParts, the stages
    multipart_body  MultipartBody: a form with files, for a client to send

and behind the stages::

    messages        FormRequest; FormFieldStart, FormFieldData, FormFieldEnd
    limits          FormLimits: how much one form may be
    form_handler    which requests are forms, and what those are told that are refused
    content_type    which decoder reads a form
    multipart       bytes → the fields of a form; part_head: the headers of each
    spool           puts a form together, files on disk
    uploads         UploadedFile, and the file without a name in which it lies
    filenames       what somebody else calls a file, made fit for a folder of ours
"""

from __future__ import annotations

from .cookie_signer import CookieSigner
from .cookies import Cookies
from .fields import Fields, FieldsLike
from .filenames import safe_filename
from .limits import FormLimits
from .messages import FormFieldData, FormFieldEnd, FormFieldPart, FormFieldStart, FormRequest
from .multipart import MultipartDecoder
from .multipart_body import FilePart, MultipartBody
from .set_cookie import SetCookie
from .stages import FormParts, Forms
from .uploads import UploadedFile
from .urlencoded import Query, UrlencodedDecoder, build_query, parse_query

__all__ = [
    "CookieSigner",
    "Cookies",
    "Fields",
    "FieldsLike",
    "FilePart",
    "FormFieldData",
    "FormFieldEnd",
    "FormFieldPart",
    "FormFieldStart",
    "FormLimits",
    "FormParts",
    "FormRequest",
    "Forms",
    "MultipartBody",
    "MultipartDecoder",
    "Query",
    "SetCookie",
    "UploadedFile",
    "UrlencodedDecoder",
    "build_query",
    "parse_query",
    "safe_filename",
]
