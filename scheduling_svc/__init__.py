"""scheduling-service owns the calendar: what time is free, and whose it is."""
