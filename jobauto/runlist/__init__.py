"""`jobauto runlist`: an init tree from run lists, a job for each run file, and their sums."""
