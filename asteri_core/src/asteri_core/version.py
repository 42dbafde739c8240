"""The version of every asteri package: they are released together."""

__version__ = "0.1.0"
