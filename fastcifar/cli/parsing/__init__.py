"""The words of a command line: flags, commands, and one line for each mistake."""
