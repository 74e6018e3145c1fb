"""Inversion: the nearest image that a generator can make to a photo, by search and by learned inverters."""
