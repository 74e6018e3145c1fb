"""Image collections: the protocol, and one file a kind."""
