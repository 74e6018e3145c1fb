"""Runs beside each other: which run is meant, what differs between generators, what became worse."""
