"""The ASGI interface (3.0 and 2) for asteri."""
