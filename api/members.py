"""Endpoints rooms/{room}/members/ and rooms/{room}/members/{user}/."""

from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.documents import answers, parameters_of
from api.endpoint import Endpoint, Keyset
from rooms import selectors, services
from rooms.schema import Member, MemberPage, MemberPatch, NewMember


class MembersView(Endpoint):
    takes_query = ("GET",)

    @extend_schema(operation_id="list_members", parameters=parameters_of(Keyset), responses=answers(MemberPage))
    def get(self, request: Request, room: UUID) -> Response:
        """List the members of a room, by user id."""
        query = self.query(Keyset)
        return Response(
            selectors.list_members(
                user_id=self.user_id, room_id=room, before=query.before, after=query.after, limit=query.limit
            )
        )

    @extend_schema(
        operation_id="add_member",
        request=NewMember,
        responses=answers(Member, status=201) | answers(Member),
    )
    def post(self, request: Request, room: UUID) -> Response:
        """Add a user to a room. If they already are a member, nothing changes, and the status is 200."""
        member, is_new = services.add_member(user_id=self.user_id, room_id=room, new=self.body(NewMember))
        return Response(member, status=201 if is_new else 200)


class MemberView(Endpoint):
    @extend_schema(operation_id="get_member", responses=answers(Member))
    def get(self, request: Request, room: UUID, user: UUID) -> Response:
        """Get a member of a room."""
        return Response(selectors.get_member(user_id=self.user_id, room_id=room, member_id=user))

    @extend_schema(operation_id="update_member", request=MemberPatch, responses=answers(Member))
    def patch(self, request: Request, room: UUID, user: UUID) -> Response:
        """Change the role of a member, mute them or unmute them."""
        return Response(
            services.update_member(user_id=self.user_id, room_id=room, member_id=user, patch=self.body(MemberPatch))
        )

    @extend_schema(operation_id="remove_member", responses=answers(None, status=204))
    def delete(self, request: Request, room: UUID, user: UUID) -> Response:
        """Remove a member whose role is lower than yours, or yourself."""
        services.remove_member(user_id=self.user_id, room_id=room, member_id=user)
        return Response(status=204)


urlpatterns = [
    path("rooms/<id:room>/members/", MembersView.as_view()),
    path("rooms/<id:room>/members/<id:user>/", MemberView.as_view()),
]
