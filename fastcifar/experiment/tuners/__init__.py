"""Searchers and assessors by the names of a configuration: ours, NNI's, and classes of the user.

`algorithms.make_tuner` and `make_assessor` make them; `custom` calls those of the user and checks what they give.
"""
