"""What may be refused, for every reason that no single app owns.

DomainError
├── Invalid, Unauthenticated, Forbidden, NotFound, Conflict, LimitReached
├── MethodNotAllowed, NotAcceptable, TooLarge, UnsupportedMediaType
├── RateLimited
└── Internal, Overloaded, Unavailable
"""

from typing import ClassVar


class DomainError(Exception):
    """A refusal that a client is told of, with the same `code` and `status` over both doors.

    `detail` is for people; `field` names the part of the request that is at fault;
    `retry_after` is in seconds. Subclasses register themselves by the code they bring.
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
            return  # a special case of its parent, with its parent's code
        known = DomainError.registry.setdefault(cls.code, cls)
        if known is not cls:
            raise TypeError(f"{cls.__name__} and {known.__name__} share the code {cls.code!r}")


class Invalid(DomainError):
    code, status = "invalid", 400
    summary = "The request is not of the form it must have."


class Unauthenticated(DomainError):
    code, status = "unauthenticated", 401
    summary = "A valid access token is needed."
    expired = False


class Forbidden(DomainError):
    code, status = "forbidden", 403
    summary = "This needs a higher role."


class NotFound(DomainError):
    code, status = "not_found", 404
    summary = "There is no such thing, or it is not yours to see."


class MethodNotAllowed(DomainError):
    code, status = "method_not_allowed", 405
    summary = "This method is not offered here."


class NotAcceptable(DomainError):
    code, status = "not_acceptable", 406
    summary = "Answers are application/json."


class Conflict(DomainError):
    code, status = "conflict", 409
    summary = "The present state does not allow this."


class LimitReached(DomainError):
    code, status = "limit_reached", 409
    summary = "A limit on how many there may be is reached."


class TooLarge(DomainError):
    code, status = "too_large", 413
    summary = "The request is larger than allowed."


class UnsupportedMediaType(DomainError):
    code, status = "unsupported_media_type", 415
    summary = "Requests are application/json."


class RateLimited(DomainError):
    code, status, retryable = "rate_limited", 429, True
    summary = "Too many actions: wait, then try again."


class Internal(DomainError):
    code, status = "internal", 500
    summary = "Something went wrong on the server. It has been logged."


class Overloaded(DomainError):
    code, status, retryable = "overloaded", 503, True
    summary = "The server is busy. This was surely not done: try again."


class Unavailable(DomainError):
    code, status, retryable = "unavailable", 503, True
    summary = "The outcome is not known. Try again with the same client_id."
