"""Routes of /api/v1/, of the health checks, and of the generated documents and the pages that show them."""

from django.urls import include, path
from django.views.generic import RedirectView

from api import console, documents, health, members, messages, rooms, users

v1 = [*users.urlpatterns, *rooms.urlpatterns, *members.urlpatterns, *messages.urlpatterns]
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
