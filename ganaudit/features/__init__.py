"""Readings beside the parser's: feature networks. One kind a file."""
