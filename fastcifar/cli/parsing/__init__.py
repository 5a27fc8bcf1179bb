"""The words of a command line.

`flags` reads values, `actions` groups commands, `mistakes` turns a wrong word into one line that says what was meant.
"""
