"""What auth-service uses outside of its own store: a neighbour, argon2id, and the signer of tokens."""
