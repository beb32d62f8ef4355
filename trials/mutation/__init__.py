"""`make mutants`, second half: small changes of the code."""
