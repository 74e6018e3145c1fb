"""Parsers: the protocol, and one file a family."""
