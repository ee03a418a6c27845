"""Plumbing with no opinion about health care."""
