"""The rules of service types, doctors and schedules: no input or output, and the current time is an argument."""
