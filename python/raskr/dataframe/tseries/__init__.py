"""Frames over time."""
