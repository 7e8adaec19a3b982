"""What is kept: the tables, one module per noun with its SQL, the import, the private cluster."""
