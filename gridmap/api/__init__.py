"""What listens: the HTTP application, its settings, and the command line."""
