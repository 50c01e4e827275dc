"""What every REST endpoint shares: parse with a type, count the action, answer with a struct."""

from collections.abc import Collection
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.schema import Principal
from foundation.errors import Invalid
from foundation.text import check_json
from messaging.throttling import throttle
from messaging.wire.actions import PageLimit
from messaging.wire.checks import check_data, invalid
from messaging.wire.limits import Limits

T = TypeVar("T")


class Keyset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a page by id."""

    before: UUID | None = None
    after: UUID | None = None
    limit: PageLimit = 50

    def __post_init__(self) -> None:
        check_page(self.before, self.after, self.limit)


def check_page(before: object, after: object, limit: int) -> None:
    """Raises `Invalid`."""
    most = settings.ROOMLOG_LIMITS.history_page_max
    if limit > most:
        raise Invalid(f"At most {most}.", field="limit")
    if before is not None and after is not None:
        raise Invalid("Give one of `before` and `after`.", field="before")


class Endpoint(APIView):
    """One address. Methods parse, call one service or selector, and return its struct."""

    takes_query: Collection[str] = ()
    takes_body: Collection[str] = ("POST", "PUT", "PATCH")
    # What DRF says to OPTIONS is about serializers. Preflights are answered before it, by corsheaders.
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
        """Raises `Invalid`. An empty object is no body: some clients always send one."""
        if request.method not in self.takes_query and request.query_params:
            raise Invalid("Not known here.", field=next(iter(request.query_params)))
        if request.method not in ("GET", "HEAD", *self.takes_body) and request.body.strip() not in (b"", b"{}"):
            raise Invalid("This takes no body.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        finalized = super().finalize_response(request, response, *args, **kwargs)
        finalized["Cache-Control"] = "no-store"
        return finalized

    def body(self, kind: type[T]) -> T:
        """The request's body as a `kind`, with its strings and custom data checked. Raises `Invalid`, `TooLarge`."""
        raw = self.request.data
        try:
            value = msgspec.json.decode(raw if isinstance(raw, bytes) else b"", type=kind)
            content = msgspec.to_builtins(value)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise invalid(error) from None
        for name, item in content.items():
            check_json(item, field=name)
        if content.get("data"):
            check_data(content["data"], self.limits)
        return value

    def query(self, kind: type[T]) -> T:
        """The query string as a `kind`. Raises `Invalid`."""
        values = {}
        for name, several in self.request.query_params.lists():
            if len(several) > 1:
                raise Invalid("Given more than once.", field=name)
            check_json(several[0], field=name)
            values[name] = several[0]
            if several[0] == "null":  # which would be taken for what it says
                raise Invalid("There is no null in an address: leave it out.", field=name)
        try:
            return msgspec.convert(values, type=kind, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
