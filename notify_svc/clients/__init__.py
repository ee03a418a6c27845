"""What notification-service uses outside of its own store: neighbours who know people, and mailboxes."""
