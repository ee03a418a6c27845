"""`python -m careslot`."""

from careslot.cli import app

app()
