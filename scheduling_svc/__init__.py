"""scheduling-service owns the calendar: which time is free, and who has it."""
