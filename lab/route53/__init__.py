"""Record sets, how long a change takes to spread, and the name server that answers."""
