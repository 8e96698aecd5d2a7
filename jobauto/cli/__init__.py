"""The doors for people at a terminal; the only room that prints."""
