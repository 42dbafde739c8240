"""The routes of the project."""

from django.urls import path
from guestbook import views

urlpatterns = [
    path("", views.index),
    path("upload", views.upload),
    path("download", views.download),
    path("redirect", views.redirected),
    path("cookies", views.cookies),
    path("error", views.error),
    path("sleep", views.sleep),
    path("headers", views.headers),
    path("entries", views.entries),
]
