"""What two services must agree on to talk: refusals, identity, events and bodies that cross a border."""
