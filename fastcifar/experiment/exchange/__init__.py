"""Results out to files and in from files."""
