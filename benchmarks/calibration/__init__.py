"""What the statistics are worth: replicates drawn from a pool whose truth is known, and what they say."""
