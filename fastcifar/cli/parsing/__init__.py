"""Parsing of the command line: flags, commands, and one line for each mistake."""
