"""The WSGI interface (PEP 3333) for asteri."""
