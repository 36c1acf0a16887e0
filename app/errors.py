"""Everything that can go wrong in the service, and how it is told to the caller.

    BasecastError
    ├── BundleError                      a bundle cannot be trusted; start-up ends
    ├── SettingsError                    the settings contradict each other; start-up ends
    ├── KeyFileError                     the file of API keys cannot be trusted or read; start-up ends
    ├── TableError                       a file on the command line cannot be read or written
    ├── ShardError                       a run in shards cannot begin or go on
    ├── ServerError                      the service that the command line asks does not answer as one
    ├── ProcessFailed                    one of several processes does not start or stop; all end
    ├── DeviceLost                       nothing can be computed here any more; the process ends
    └── ServiceError                     one request ends, the process goes on
        ├── MalformedJson           400  the body is not JSON
        ├── MalformedRequest        400  the body is not what its type says (FASTA)
        ├── Unauthenticated         401  no API key, or not one that is known and live
        ├── Forbidden               403  the key's scopes do not reach this far
        ├── UnknownModel            404
        ├── UnknownRoute            404
        ├── UnknownCohort           404
        ├── MethodNotAllowed        405
        ├── NotAcceptable           406
        ├── SlowRequest             408  header fields or body did not arrive in time
        ├── BodyTooLarge            413
        ├── DecompressedTooLarge    413  a compressed body grows beyond its limit
        ├── UriTooLong              414
        ├── UnsupportedMediaType    415
        ├── Unprocessable           422  one or more items are refused
        │   └── VcfRefused          422  a VCF breaks a rule of the format or a limit
        ├── QuotaExceeded           429  this caller has used up his share for now
        ├── HeadersTooLarge         431
        ├── ClientGone              499  nobody is left to answer
        ├── InferenceFailed         500  the model raised
        ├── NonFiniteOutput         500  the model answered NaN or infinity
        ├── InternalError           500  a bug of ours
        ├── Overloaded              503  the queue is full, or the wait would outlast the deadline
        ├── Draining                503  the process is about to stop
        ├── QueueUnavailable        503
        ├── OutOfMemory             503
        └── DeadlineExceeded        504

A message names the item, the limit and the way out. It never repeats what the caller sent.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

PROBLEM_JSON = "application/problem+json"


class BasecastError(Exception):
    """The root of every error this project raises on purpose."""


class BundleError(BasecastError):
    """A bundle is incomplete, altered, or does not predict what its manifest promises."""


class SettingsError(BasecastError):
    """The settings contradict each other or name something that is not there."""


class KeyFileError(BasecastError):
    """The file of API keys is missing, open to other users, or holds something else than keys."""


class TableError(BasecastError):
    """A table cannot be read or written; the message says where and what to change."""


class ShardError(BasecastError):
    """A run in shards cannot begin or go on; the message says what to change, and what is done stays done."""


class ServerError(BasecastError):
    """The service at a URL cannot be reached, or something else answers there."""


class ProcessFailed(BasecastError):
    """One of the processes of `basecast serve --processes` does not start, or does not stop."""


class DeviceLost(BasecastError):
    """The device, or what ONNX Runtime holds of it, is beyond repair from within this process."""


@dataclass(frozen=True, slots=True)
class ItemError:
    """One refused item of a request.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the item, such as `/sequences/3`.
        code: why it was refused, a code of the wire contract.
        detail: the limit and the way out, without the item's content.
        position: 0-based index of the offending character, where there is one.
    """

    pointer: str
    code: str
    detail: str
    position: int | None = None

    def as_dict(self) -> dict[str, Any]:
        fields = {"pointer": self.pointer, "code": self.code, "detail": self.detail}
        return fields if self.position is None else fields | {"position": self.position}


class ServiceError(BasecastError):
    """A request ends with this status and code.

    Args:
        detail: one sentence for the caller.
        retry_after_ms: when a retry has a chance, if it is known.
        items: the refused items, at most `MAX_ITEMS` of which are reported.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    MAX_ITEMS: ClassVar[int] = 20

    def __init__(self, detail: str = "", *, retry_after_ms: int | None = None, items: Sequence[ItemError] = ()) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.retry_after_ms = retry_after_ms
        self.items = tuple(items)

    @property
    def problem_code(self) -> str:
        """The code on the wire."""
        return self.code

    def headers(self) -> dict[str, str]:
        """Headers that go with the problem document."""
        if self.retry_after_ms is None:
            return {}
        return {"retry-after": str(max(1, math.ceil(self.retry_after_ms / 1000)))}


class MalformedJson(ServiceError):
    """The body is not one JSON document in UTF-8."""

    status, code, title = 400, "malformed_json", "The body is not valid JSON"


class MalformedRequest(ServiceError):
    """The body or the request line is not what it claims to be."""

    status, code, title = 400, "malformed_request", "The request is malformed"


class Unauthenticated(ServiceError):
    """The request carries no API key, or none that is known and live; which of these is not told."""

    status, code, title = 401, "unauthenticated", "An API key is needed"

    def headers(self) -> dict[str, str]:
        return {"www-authenticate": 'Bearer realm="basecast"'}


class Forbidden(ServiceError):
    """The key is known, but has not the scope that this route asks for."""

    status, code, title = 403, "forbidden", "The key's scopes do not allow this"


class UnknownModel(ServiceError):
    """No bundle of that name or version is loaded."""

    status, code, title = 404, "unknown_model", "Unknown model"


class UnknownRoute(ServiceError):
    """There is nothing at this path."""

    status, code, title = 404, "unknown_route", "Unknown route"


class UnknownCohort(ServiceError):
    """No cohort of that name is configured."""

    status, code, title = 404, "unknown_cohort", "Unknown cohort"


class MethodNotAllowed(ServiceError):
    """The path exists, but not for this method.

    Args:
        allowed: the methods the path answers.
    """

    status, code, title = 405, "method_not_allowed", "Method not allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This path answers {', '.join(allowed)}.")
        self.allowed = tuple(allowed)

    def headers(self) -> dict[str, str]:
        return {"allow": ", ".join(self.allowed)}


class NotAcceptable(ServiceError):
    """None of the media types in Accept can be produced."""

    status, code, title = 406, "not_acceptable", "Not acceptable"


class SlowRequest(ServiceError):
    """Header fields or body did not arrive within their time."""

    status, code, title, retryable = 408, "slow_request", "The request arrived too slowly", True


class BodyTooLarge(ServiceError):
    """The body is larger than `max_body_bytes`."""

    status, code, title = 413, "body_too_large", "The body is too large"


class DecompressedTooLarge(ServiceError):
    """The body inflates to more than it may."""

    status, code, title = 413, "decompressed_too_large", "The body is too large once inflated"


class UriTooLong(ServiceError):
    """The path and query are longer than a URI may be here."""

    status, code, title = 414, "uri_too_long", "The URI is too long"


class UnsupportedMediaType(ServiceError):
    """The body's type or encoding is not one this route reads."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class Unprocessable(ServiceError):
    """The body was understood, and one or more of its items are refused."""

    status, code, title = 422, "invalid_value", "Some items are refused"

    @property
    def problem_code(self) -> str:
        """The first item's code, so that one bad item needs no look into `errors`."""
        return self.items[0].code if self.items else self.code


class QuotaExceeded(ServiceError):
    """The caller has used up his share for now; it fills again with time."""

    status, code, title, retryable = 429, "quota", "The quota is used up", True


class VcfRefused(Unprocessable):
    """A VCF breaks a rule of the format or a limit.

    Args:
        code: which, `vcf_…`.
        detail: the line and what was expected there, without anything that the VCF says.
        pointer: JSON pointer to what is refused, where it is not the VCF itself.
    """

    def __init__(self, code: str, detail: str, pointer: str = "/vcf") -> None:
        super().__init__(detail, items=[ItemError(pointer, code, detail)])


class HeadersTooLarge(ServiceError):
    """Too many header fields, or too many bytes of them."""

    status, code, title = 431, "headers_too_large", "The header fields are too large"


class ClientGone(ServiceError):
    """The caller closed the connection; the status is only ever counted, never sent."""

    status, code, title = 499, "client_gone", "The caller has gone"


class InferenceFailed(ServiceError):
    """The model raised while it ran this item's batch."""

    status, code, title = 500, "inference_failed", "The model failed on this input"


class NonFiniteOutput(ServiceError):
    """The model answered NaN or infinity for this item."""

    status, code, title = 500, "non_finite_output", "The model answered no finite number"


class InternalError(ServiceError):
    """A bug of ours; the log has the trace, the caller has the request id."""


class Overloaded(ServiceError):
    """There is more waiting than can be answered in time."""

    status, code, title, retryable = 503, "overloaded", "Overloaded", True


class Draining(ServiceError):
    """The process finishes what it has and takes nothing new."""

    status, code, title, retryable = 503, "draining", "Shutting down", True


class QueueUnavailable(ServiceError):
    """The queue cannot be reached."""

    status, code, title, retryable = 503, "queue_unavailable", "The queue is unavailable", True


class OutOfMemory(ServiceError):
    """The device ran out of memory even for this item alone."""

    status, code, title, retryable = 503, "out_of_memory", "Out of memory", True


class DeadlineExceeded(ServiceError):
    """The request's deadline passed before its answer was there."""

    status, code, title, retryable = 504, "deadline_exceeded", "The deadline has passed", True


def as_uuid(request_id: str) -> uuid.UUID:
    """The request id itself where it is a UUID, else the name-based UUID (RFC 9562, version 5) of it."""
    try:
        return uuid.UUID(request_id)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, request_id)


def problem(error: ServiceError, request_id: str) -> dict[str, Any]:
    """The problem document (RFC 9457) for an error.

    Args:
        error: what ended the request.
        request_id: the id that the reply's `X-Request-ID` carries.
    """
    code = error.problem_code
    document: dict[str, Any] = {
        "type": f"urn:basecast:problem:{code}",
        "title": error.title,
        "status": error.status,
        "code": code,
        "detail": error.detail,
        "instance": f"urn:uuid:{as_uuid(request_id)}",
        "retryable": error.retryable,
    }
    if error.retry_after_ms is not None:
        document["retry_after_ms"] = error.retry_after_ms
    if error.items:
        document["errors"] = [item.as_dict() for item in error.items[: error.MAX_ITEMS]]
    return document
