"""Bad inputs by topic: each file has a list `CASES`, which `python -m benchmarks.bad_input` and the tests go through."""
