"""How the tables came to be, a step a version. What stands in a step is never changed again."""
