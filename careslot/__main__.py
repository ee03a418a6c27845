"""Runs the command line: `python -m careslot`."""

from careslot.cli import app

app(prog_name="careslot")
