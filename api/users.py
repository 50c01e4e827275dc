"""Endpoints users/, users/me/ and users/{user}/."""

from typing import Annotated
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors, services
from accounts.schema import Me, User, UserPage, UserPatch
from api.documents import answers, parameters_of
from api.endpoint import Endpoint, check_one_side
from foundation.schema import Struct
from messaging.wire.actions import PageLimit

Username = Annotated[str, Meta(max_length=64)]


class UserQuery(Struct, frozen=True):
    """The query of a page of users. `before` and `after` are usernames."""

    search: Annotated[Username, Meta(description="The beginning of the username, in upper or lower case")] = ""
    before: Annotated[Username | None, Meta(description="Only users with a lower username")] = None
    after: Annotated[Username | None, Meta(description="Only users with a higher username")] = None
    limit: PageLimit = 50

    def __post_init__(self) -> None:
        check_one_side(self.before, self.after)


class UsersView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(operation_id="list_users", parameters=parameters_of(UserQuery), responses=answers(UserPage))
    def get(self, request: Request) -> Response:
        """List active users, by username. With `search`, only those whose username begins with it."""
        query = self.query(UserQuery)
        return Response(
            selectors.list_users(search=query.search, before=query.before, after=query.after, limit=query.limit)
        )


class MeView(Endpoint):
    @extend_schema(operation_id="get_me", responses=answers(Me))
    def get(self, request: Request) -> Response:
        """Get your own user, with your settings."""
        return Response(selectors.get_me(user_id=self.user_id))

    @extend_schema(operation_id="update_me", request=UserPatch, responses=answers(Me))
    def patch(self, request: Request) -> Response:
        """Change your display name, avatar URL, custom data or settings."""
        return Response(services.update_user(user_id=self.user_id, patch=self.body(UserPatch)))


class UserView(Endpoint):
    @extend_schema(operation_id="get_user", responses=answers(User))
    def get(self, request: Request, user: UUID) -> Response:
        """Get an active user."""
        return Response(selectors.get_user(user_id=user))


urlpatterns = [
    path("users/", UsersView.as_view()),
    path("users/me/", MeView.as_view()),
    path("users/<id:user>/", UserView.as_view()),
]
