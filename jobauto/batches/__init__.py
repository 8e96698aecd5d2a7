"""Batches: a tree of jobs in one zip, the runs that were made of it, and what they brought home."""
