"""What changes the weights.

`sgd.SGD` and `muon.Muon`, each with a variant in few launches for a GPU; `schedule` of the rate, `averaging`.
"""
