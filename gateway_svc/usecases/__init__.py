"""What the gateway does: forwards, joins documents, says who is up."""
