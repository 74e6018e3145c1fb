"""The version of the package, on its own: whoever writes a footer needs nothing else."""

__version__ = "0.8.0"
