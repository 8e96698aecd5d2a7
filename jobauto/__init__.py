"""jobauto: a dependency-graph job monitor for people with an ssh login and a queue."""

__version__ = "0.1.0"
