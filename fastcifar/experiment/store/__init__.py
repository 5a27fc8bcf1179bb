"""What an experiment keeps in its folder: one SQLite file, its archive, requests from other processes."""
