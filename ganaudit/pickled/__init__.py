"""Reads a pickled checkpoint without running anything in it, with the standard library alone.

`checkpoints` starts `confined.main` as a process of its own, gives it the file's bytes and reads tensors and plain values back.
"""
