"""The search for the best output: codes, lengths, drafts, passes, ranking."""
