"""The rules of accounts, passwords, sessions and reset links: no input or output, and the current time is an argument."""
