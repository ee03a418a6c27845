"""appointment-service owns the appointment, from asked-for to its end."""
