"""The composition root as a Django app: it brings the commands."""

from django.apps import AppConfig


class RoomlogConfig(AppConfig):
    name = "config"
    verbose_name = "Roomlog"
