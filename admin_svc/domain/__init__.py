"""What admin-service decides: no input or output, and the current time is an argument."""
