"""Processes that an engine has started, and all that these have started.

`group` ends them, `marks` finds them by their environment, `keeper` ends them when the driver is gone.
"""
