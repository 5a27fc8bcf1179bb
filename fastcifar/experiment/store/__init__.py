"""What an experiment keeps in its folder: one SQLite file, and the requests of other processes.

`store.Store` writes and reads it, `folders` make and find folders, `listing` lists them, `archive` packs them.
"""
