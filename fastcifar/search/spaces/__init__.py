"""Search spaces: parameters, the rules of the JSON format, the spaces that come with the package."""
