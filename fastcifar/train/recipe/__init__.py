"""What decides a run: `recipe.Recipe`, the rules of its fields, and the named recipes."""
