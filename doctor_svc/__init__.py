"""doctor-service owns who works here, what they offer and the rules of their hours."""
