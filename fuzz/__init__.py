"""Fuzzing of everything that reads bytes of strangers; `python fuzz/run.py` runs it."""
