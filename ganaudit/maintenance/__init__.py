"""Looking after a store: verify, compact, prune."""
