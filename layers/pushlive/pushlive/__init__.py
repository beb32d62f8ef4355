"""What the two functions share. Read `redeploy_plan` and `record_plan` first: they are the product."""

import gc

# Nearly all that a start makes stays for the function's life. By its own threshold Python would look through
# it for garbage dozens of times, 7 in 100 of a start. Imports and a first event make half of this.
gc.set_threshold(100_000, 20, 20)
