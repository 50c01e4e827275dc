"""`config` as a Django app, so that Django finds its management commands."""

from django.apps import AppConfig


class RoomlogConfig(AppConfig):
    name = "config"
    verbose_name = "Roomlog"
