"""Many runs: a series of one recipe, a comparison of two.

`group` and `series` make them, `many` sums them up, `verdict` says what a comparison shows, `advice` what would help.
"""
