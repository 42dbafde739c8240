"""What the guest book keeps."""

from django.db import models


class Entry(models.Model):
    """One line a visitor wrote."""

    text = models.CharField(max_length=200)
    written = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.text
