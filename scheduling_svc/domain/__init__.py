"""What the calendar knows and decides: pure, on integers, with `now` passed in."""
