"""Compares application servers under one load: who they are, how they are loaded and measured, and how that is shown.

`scenarios` and `contenders` are the tables; `client` checks answers, `usage` counts processor time and memory,
`servers` starts and stops, `wrk` and `idle` are the load; `figures` is the arithmetic; `measure` is one server in one
round, and one scenario over all rounds; `report` and `plot` show it. ``run.py``, one folder up, is the command. Linux
only.
"""
