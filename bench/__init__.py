"""Benchmarks, each a module with `main`; `bench.run` lists them. No test asserts a time."""
