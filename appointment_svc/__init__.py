"""appointment-service owns the appointment, from the booking to its end."""
