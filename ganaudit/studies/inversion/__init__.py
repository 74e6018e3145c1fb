"""Held-out photos beside the nearest image that each generator can make: searches, records, findings, section."""
