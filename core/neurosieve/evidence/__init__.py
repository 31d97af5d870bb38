"""What a ranking is worth: null, intervals, replication, verdicts, baselines."""
