"""All that is fairseq's: its versions, and its steps around an update."""
