"""HTTP for one run: its state as JSON, its verbs, what changes. Served by the monitor itself."""
