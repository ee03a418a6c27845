"""The rules of the calendar: pure functions and values, times as grain numbers, with `now` passed in."""
