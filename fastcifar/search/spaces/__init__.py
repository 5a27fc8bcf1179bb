"""Search spaces: parameters, the rules of a file, the spaces that come with the package."""
