"""The base class of domain errors, and those that no single app owns. Knows no framework.

DomainError
├── Invalid, Unauthenticated, Forbidden, NotFound, Conflict, LimitReached
├── MethodNotAllowed, NotAcceptable, RequestTimeout, UnsupportedMediaType
├── TooLarge: TargetTooLong, HeadTooLarge
├── RateLimited
└── Internal, Overloaded, Unavailable
"""

from typing import ClassVar


class DomainError(Exception):
    """An error that is reported to the client, with the same `code` and `status` over REST and the socket.

    `detail` is a sentence for people, by default the `summary` of the class. `field` is the path of the invalid part of
    the request, or None. `retry_after` is in seconds, or None. `retryable` says whether the same request can succeed
    later.

    A subclass that defines `code` is added to `registry`; defining one that another class has raises `TypeError`.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    retryable: ClassVar[bool] = False
    summary: ClassVar[str]
    registry: ClassVar[dict[str, "type[DomainError]"]] = {}

    def __init__(self, detail: str = "", *, field: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(detail or self.summary)
        self.detail = detail or self.summary
        self.field = field
        self.retry_after = retry_after

    def __init_subclass__(cls) -> None:
        if "code" not in cls.__dict__:
            return  # a special case of its parent, which keeps the parent's code
        known = DomainError.registry.setdefault(cls.code, cls)
        if known is not cls:
            raise TypeError(f"{cls.__name__} and {known.__name__} share the code {cls.code!r}")


class Invalid(DomainError):
    code, status = "invalid", 400
    summary = "The request is malformed or has an invalid field."


class Unauthenticated(DomainError):
    code, status = "unauthenticated", 401
    summary = "A valid access token is required."
    expired = False


class Forbidden(DomainError):
    code, status = "forbidden", 403
    summary = "This requires a higher role, or the consent of another user."


class NotFound(DomainError):
    code, status = "not_found", 404
    summary = "The resource does not exist, or you may not see it."


class MethodNotAllowed(DomainError):
    code, status = "method_not_allowed", 405
    summary = "This method is not allowed here."


class NotAcceptable(DomainError):
    code, status = "not_acceptable", 406
    summary = "Responses are available only as application/json."


class RequestTimeout(DomainError):
    code, status, retryable = "request_timeout", 408, True
    summary = "The request did not arrive in time. It was not carried out."


class Conflict(DomainError):
    code, status = "conflict", 409
    summary = "The request conflicts with the current state."


class LimitReached(DomainError):
    code, status = "limit_reached", 409
    summary = "A limit on the number of such items has been reached."


class TooLarge(DomainError):
    code, status = "too_large", 413
    summary = "The request is too large."


class TargetTooLong(TooLarge):
    status = 414
    summary = "The address of the request is too long."


class HeadTooLarge(TooLarge):
    status = 431
    summary = "The headers of the request are too large, or too many."


class UnsupportedMediaType(DomainError):
    code, status = "unsupported_media_type", 415
    summary = "Request bodies must be application/json."


class RateLimited(DomainError):
    code, status, retryable = "rate_limited", 429, True
    summary = "Too many actions. Wait, then try again."


class Internal(DomainError):
    code, status = "internal", 500
    summary = "An internal error occurred. It has been logged."


class Overloaded(DomainError):
    code, status, retryable = "overloaded", 503, True
    summary = "The server is overloaded. The request was not carried out: try again later."


class Unavailable(DomainError):
    code, status, retryable = "unavailable", 503, True
    summary = "The outcome is unknown. Try again with the same client_id."
