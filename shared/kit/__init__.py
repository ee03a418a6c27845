"""Infrastructure code that knows nothing about health care."""
