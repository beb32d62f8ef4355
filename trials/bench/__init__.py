"""How fast, how small, and flat in cost as it grows: `make bench`. Never shipped to Lambda.

Everything that is compared runs interleaved in one run; figures are medians, and ratios come first.
"""
