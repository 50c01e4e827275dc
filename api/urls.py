"""The addresses under /api/v1/, the documents and the pages that show them."""

from django.urls import include, path, register_converter
from django.urls.converters import UUIDConverter
from django.views.generic import RedirectView

from api import console, documents, health, members, messages, rooms, users


class Id(UUIDConverter):
    """A UUID in either case, as the socket takes it: some platforms write it in capitals."""

    regex = "(?i:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"


register_converter(Id, "id")

v1 = [
    path("users/", users.UsersView.as_view()),
    path("users/me/", users.MeView.as_view()),
    path("users/<id:user>/", users.UserView.as_view()),
    path("rooms/", rooms.RoomsView.as_view()),
    path("rooms/public/", rooms.PublicRoomsView.as_view()),
    path("rooms/<id:room>/", rooms.RoomView.as_view()),
    path("rooms/<id:room>/join/", rooms.JoinView.as_view()),
    path("rooms/<id:room>/leave/", rooms.LeaveView.as_view()),
    path("rooms/<id:room>/read/", rooms.ReadView.as_view()),
    path("rooms/<id:room>/members/", members.MembersView.as_view()),
    path("rooms/<id:room>/members/<id:user>/", members.MemberView.as_view()),
    path("rooms/<id:room>/log/", messages.LogView.as_view()),
    path("rooms/<id:room>/messages/", messages.MessagesView.as_view()),
    path("rooms/<id:room>/messages/<int:message>/", messages.MessageView.as_view()),
]
urlpatterns = [
    path("", RedirectView.as_view(url="/docs/")),
    path("api/v1/", include(v1)),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("openapi.yaml", documents.serve, {"name": "openapi.yaml"}),
    path("asyncapi.yaml", documents.serve, {"name": "asyncapi.yaml"}),
    path("docs/", console.show_console),
    path("docs/rest/", console.show_rest),
    path("docs/socket/", console.show_socket),
]
