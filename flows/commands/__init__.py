"""The commands of `ganaudit`, one file each. Results go to stdout, progress to stderr."""
