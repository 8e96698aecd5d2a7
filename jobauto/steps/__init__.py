"""Folders of JSON files become steps of a web service: an init tree, and what its jobs do.

`service` is what a person writes of a service; `folders`, `keys`, `order` and `making` make the
tree; `doing`, with `held`, `link` and `downloads`, does one step.
"""
