"""The settings that the kernel itself owns. Protocol, interface and worker settings belong to their plugins."""

from __future__ import annotations
