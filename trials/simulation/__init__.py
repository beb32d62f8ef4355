"""`make simulate`: random scenarios in virtual time; `make mutants`, first half: deliberate defects."""
