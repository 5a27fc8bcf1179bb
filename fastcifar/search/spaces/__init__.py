"""Search spaces in NNI's JSON.

`space.Space` is made of `parameter.Parameter`s by the `rules` of a file; `named` has the spaces of the package.
"""
