"""doctor-service owns the doctors, the service types that they offer and the rules of their working hours."""
