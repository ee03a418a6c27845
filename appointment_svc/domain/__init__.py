"""The appointment: pure, synchronous, `now` is passed in."""
