"""Finds and ends the processes that an engine has started, with all their children."""
