"""Seeing what computations do: progress bars and profiles."""

from raskr.callbacks import Callback
from raskr.diagnostics.profile import CacheProfiler, Profiler, ResourceProfiler
from raskr.diagnostics.profile_visualize import visualize
from raskr.diagnostics.progress import ProgressBar

__all__ = ["CacheProfiler", "Callback", "Profiler", "ProgressBar", "ResourceProfiler", "visualize"]
