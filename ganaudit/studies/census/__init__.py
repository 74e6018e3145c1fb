"""Class statistics: sources sampled or read, parsed, counted; distances, verdicts, and what the report says of them."""
