"""Service types, doctors and schedules: pure, synchronous, without a clock."""
