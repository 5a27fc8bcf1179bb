"""Processes that an engine has started, found and ended with all their children."""
