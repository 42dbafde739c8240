"""The uwsgi protocol for asteri. `plugin` is what the kernel loads; nothing here is imported by other distributions."""
