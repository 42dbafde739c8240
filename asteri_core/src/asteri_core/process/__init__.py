"""Processes: the arbiter, its workers, and what they share."""
