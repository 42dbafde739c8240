"""The part of the kernel without I/O: no socket, no clock, no thread."""
