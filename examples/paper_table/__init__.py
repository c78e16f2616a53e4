"""The paper's table: `run.py` trains, measures and reports its rows."""
