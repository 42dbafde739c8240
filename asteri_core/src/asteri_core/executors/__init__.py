"""How an application call is run, and how it waits: the executors every worker model can share, and the two bridges.

An executor has two operations, `start(exchange)` and the ``wait`` it gives to the handler. `inline` runs blocking
handlers one at a time in the reactor's thread; `pool` runs them in threads (``gthread``, and the bridge for a
blocking interface on an async worker); `tasks` runs async handlers as tasks of a loop; `loop_thread` gives such a
loop a thread of its own (the bridge for an async interface on a blocking worker). What crosses threads does so
through `shared`. Nothing here knows a protocol or an interface.
"""
