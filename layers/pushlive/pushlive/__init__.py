"""What the two functions share. Read `redeploy_plan` and `record_plan` first: they are the product."""
