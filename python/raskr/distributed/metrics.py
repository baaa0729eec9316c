"""Clocks of the processes of a cluster."""

from time import monotonic, thread_time, time

__all__ = ["monotonic", "thread_time", "time"]
