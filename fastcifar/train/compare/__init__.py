"""Many runs: a series of one recipe, a comparison of two, and what they say."""
