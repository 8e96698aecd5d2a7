"""The verbs of `jobauto`: each is one function that returns values and prints nothing."""
