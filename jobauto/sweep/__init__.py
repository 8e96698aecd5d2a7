"""`jobauto sweep`: an init tree made from a template and variables that take many values."""
