"""The asteri kernel: processes, reactor, plugins, settings."""
