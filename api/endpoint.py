"""The base of all REST endpoints: rate limit, typed bodies and queries. Holds no rules."""

import inspect
from collections.abc import Collection, Mapping
from functools import cache, partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from django.conf import settings
from django.http import HttpResponse
from django.urls import register_converter
from django.urls.converters import UUIDConverter
from msgspec import NODEFAULT, Meta
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.schema import Principal
from foundation.errors import Invalid
from foundation.schema import Struct
from foundation.text import check_json
from messaging.throttling import charge_reading, throttle, throttle_reading
from messaging.wire.actions import Action, PageLimit
from messaging.wire.checks import check_fields, invalid
from messaging.wire.limits import Limits

T = TypeVar("T", bound=msgspec.Struct)
A = TypeVar("A", bound=Action)

READS = ("GET", "HEAD")  # methods whose answers are charged to the user


class Id(UUIDConverter):
    """A UUID in a path, in upper or lower case, because some platforms write it in upper case."""

    regex = "(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"


register_converter(Id, "id")


class Keyset(Struct, frozen=True):
    """The query of a page by id."""

    before: Annotated[UUID | None, Meta(description="Only items with a lower id")] = None
    after: Annotated[UUID | None, Meta(description="Only items with a higher id")] = None
    limit: PageLimit = 50

    def __post_init__(self) -> None:
        check_one_side(self.before, self.after)


def check_one_side(before: object, after: object) -> None:
    """Raises `Invalid` if both are given."""
    if before is not None and after is not None:
        raise Invalid("Give at most one of `before` and `after`.", field="before")


@cache
def fields_of(kind: type[Action], *, suffix: str, without: tuple[str, ...] = ("room",)) -> type[msgspec.Struct]:
    """Returns a struct for the body or query of a request: the fields of an action, without those in `without`.

    It is named after the action and `suffix`, and has the docstring of the action.
    """
    fields: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(kind):
        if field.name not in (*without, "request_id"):
            default = (
                field.default
                if field.default_factory is NODEFAULT
                else msgspec.field(default_factory=field.default_factory)
            )
            fields.append((field.name, field.type, default))
    namespace = {"__doc__": inspect.getdoc(kind)}
    return msgspec.defstruct(
        f"{kind.__name__}{suffix}",
        [field[:2] if field[2] is NODEFAULT else field for field in fields],
        namespace=namespace,
        frozen=True,
        forbid_unknown_fields=True,
        kw_only=True,
    )


body_of = partial(fields_of, suffix="Body")
query_of = partial(fields_of, suffix="Query")


class Endpoint(APIView):
    """The base class of endpoints. Each method calls one service or selector, and returns the struct that it returns.

    Requests are counted by the rate limit of the user. A query or a body where none is expected is refused.
    """

    takes_query: Collection[str] = ()  # the methods that may have a query
    takes_body: Collection[str] = ("POST", "PUT", "PATCH")  # the methods that may have a body
    # DRF answers OPTIONS with its serializers, and there are none. corsheaders answers preflights before DRF.
    http_method_names = [name for name in APIView.http_method_names if name != "options"]

    is_reading = False  # whether the user is charged for the answer

    @property
    def principal(self) -> Principal:
        principal: Principal = self.request.user  # type: ignore[assignment]
        return principal

    @property
    def limits(self) -> Limits:
        limits: Limits = settings.ROOMLOG_LIMITS
        return limits

    @property
    def user_id(self) -> UUID:
        return self.principal.user.id

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        throttle(self.user_id)
        if request.method in READS:
            throttle_reading(self.user_id)
            self.is_reading = True
        if request.method in self.allowed_methods:
            self.check_expected(request)

    def check_expected(self, request: Request) -> None:
        """Raises `Invalid` if there is a query or a body that the method does not take.

        An empty object counts as no body, because some clients always send one.
        """
        if request.method not in self.takes_query and request.query_params:
            raise Invalid("There is no such query parameter.", field=next(iter(request.query_params)))
        if request.method not in ("GET", "HEAD", *self.takes_body) and request.body.strip() not in (b"", b"{}"):
            raise Invalid("This request takes no body.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        finalized = super().finalize_response(request, response, *args, **kwargs)
        finalized["Cache-Control"] = "no-store"
        if self.is_reading:
            finalized.add_post_render_callback(self.charge)
        return finalized

    def charge(self, rendered: HttpResponse) -> None:
        """Charges the user for what they are sent."""
        charge_reading(self.user_id, len(rendered.content))

    def body(self, kind: type[T]) -> T:
        """Returns the body of the request as a `kind`, with its fields checked. Raises `Invalid` and `TooLarge`."""
        value = self._decode(kind)
        check_fields(value, self.limits)
        return value

    def query(self, kind: type[T]) -> T:
        """Returns the query string as a `kind`, with its fields checked. Raises `Invalid`."""
        value = self._parse(kind)
        check_fields(value, self.limits)
        return value

    def requested(self, kind: type[A], *, override: Mapping[str, object] | None = None, **named: object) -> A:
        """Returns the action that the request asks for, checked as on the socket.

        Its fields come from the body (or the query, of a GET), except those in `named`, which the path gives.
        `override` replaces fields of the body. Raises `Invalid` and `TooLarge`.
        """
        without = tuple(named)
        if self.request.method == "GET":
            given = self._parse(query_of(kind, without=without))
        else:
            given = self._decode(body_of(kind, without=without))
        try:
            action = msgspec.convert({**msgspec.structs.asdict(given), **(override or {}), **named}, type=kind)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
        check_fields(action, self.limits)
        return action

    def _decode(self, kind: type[T]) -> T:
        raw = self.request.data
        try:
            return msgspec.json.decode(raw if isinstance(raw, bytes) else b"", type=kind)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise invalid(error) from None

    def _parse(self, kind: type[T]) -> T:
        values = {}
        for name, several in self.request.query_params.lists():
            if len(several) > 1:
                raise Invalid("Must be given only once.", field=name)
            check_json(several[0], field=name)
            values[name] = several[0]
            if several[0] == "null":  # which msgspec would decode as None
                raise Invalid("Must not be `null`: leave it out instead.", field=name)
        try:
            return msgspec.convert(values, type=kind, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
