"""Jobs that need not run, as their result is there already.

What a job's result depends on is put into one word, its key (`keys`). Runs remember the keys of
jobs that finished, and what their outputs were (`memory`); a job with the same key takes these
over instead of running.
"""
