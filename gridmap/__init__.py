"""gridmap: the system of record for grid governance."""
