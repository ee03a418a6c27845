"""Accounts, sessions and passwords: pure, synchronous, `now` is passed in."""
