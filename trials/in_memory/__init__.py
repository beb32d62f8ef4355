"""A region of AWS in memory, for functions that are called in the test's own process."""
