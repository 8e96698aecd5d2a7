"""Results of a sweep: numbers from files, one table, averages, pictures."""
