"""`TaskExecutor`, whose calls begin where they are started: the first step of the handler runs at once.

A request that is answered without waiting for anything costs the loop nothing: no callback is scheduled, and no table
knows of it. Everything else is as in `asteri_core.executors.tasks`, of which only `start` is replaced.
"""

from __future__ import annotations

from asteri_core.executors import tasks

from ._tasks import Starter


class TaskExecutor(Starter, tasks.TaskExecutor):
    """As the Python one.

    A call is only scheduled when its first step cannot run yet: in a loop that does not run, where the loop has a
    task factory of the application's, and where first steps run within each other already.
    """

    __slots__ = ()
