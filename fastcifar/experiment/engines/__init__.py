"""What runs trials: workers on this machine, or a shell command.

`base` has the contract (`Engine`, `Trial`, `Needs`, `Report`, `Ended`); `registry.engine_of` makes the one of a spec.
"""
