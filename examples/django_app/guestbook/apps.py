"""The guest book's place in the project."""

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    name = "guestbook"
