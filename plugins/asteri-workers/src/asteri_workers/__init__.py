"""The worker models sync, gthread and asgi for asteri."""
