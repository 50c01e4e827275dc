"""What all REST endpoints share: parse with a type, count the action, answer with a struct."""

import inspect
from collections.abc import Collection, Mapping
from functools import cache, partial
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.conf import settings
from django.urls import register_converter
from django.urls.converters import UUIDConverter
from msgspec import NODEFAULT
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.schema import Principal
from foundation.errors import Invalid
from foundation.text import check_json
from messaging.throttling import throttle
from messaging.wire.actions import Action, PageLimit
from messaging.wire.checks import check_fields, invalid
from messaging.wire.limits import Limits

T = TypeVar("T", bound=msgspec.Struct)
A = TypeVar("A", bound=Action)


class Id(UUIDConverter):
    """A UUID in an address, in upper or lower case: some platforms write it in capitals."""

    regex = "(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"


register_converter(Id, "id")


class Keyset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a page by id."""

    before: UUID | None = None
    after: UUID | None = None
    limit: PageLimit = 50

    def __post_init__(self) -> None:
        check_one_side(self.before, self.after)


def check_one_side(before: object, after: object) -> None:
    """Raises `Invalid` if a page is asked for on both sides."""
    if before is not None and after is not None:
        raise Invalid("Give one of `before` and `after`.", field="before")


@cache
def fields_of(kind: type[Action], *, suffix: str, without: tuple[str, ...] = ("room",)) -> type[msgspec.Struct]:
    """Returns the struct of a REST body or query: the fields of an action, without those that the path names."""
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
    """One address. Its methods parse, call one service or selector, and return the struct that it returns."""

    takes_query: Collection[str] = ()
    takes_body: Collection[str] = ("POST", "PUT", "PATCH")
    # DRF answers OPTIONS from serializers, of which there are none. corsheaders answers preflights before.
    http_method_names = [name for name in APIView.http_method_names if name != "options"]

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
        if request.method in self.allowed_methods:
            self.refuse_what_is_not_taken(request)

    def refuse_what_is_not_taken(self, request: Request) -> None:
        """Raises `Invalid`. An empty object counts as no body: some clients always send one."""
        if request.method not in self.takes_query and request.query_params:
            raise Invalid("Not known here.", field=next(iter(request.query_params)))
        if request.method not in ("GET", "HEAD", *self.takes_body) and request.body.strip() not in (b"", b"{}"):
            raise Invalid("This takes no body.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        finalized = super().finalize_response(request, response, *args, **kwargs)
        finalized["Cache-Control"] = "no-store"
        return finalized

    def body(self, kind: type[T]) -> T:
        """Returns the request's body as a `kind`, its fields checked. Raises `Invalid` and `TooLarge`."""
        value = self._decode(kind)
        check_fields(value, self.limits)
        return value

    def query(self, kind: type[T]) -> T:
        """Returns the query string as a `kind`, its fields checked. Raises `Invalid`."""
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
                raise Invalid("Given more than once.", field=name)
            check_json(several[0], field=name)
            values[name] = several[0]
            if several[0] == "null":  # msgspec would take it for null
                raise Invalid("There is no null in an address: leave it out.", field=name)
        try:
            return msgspec.convert(values, type=kind, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
