"""What services agree on in order to communicate: refusals, identities, events, and the request and response bodies between them."""
