"""What all eight services share: contracts to talk by, and plumbing that knows nothing of health care."""
