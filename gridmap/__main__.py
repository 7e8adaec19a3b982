"""`python -m gridmap` is `gridmap`."""

from gridmap.api.cli import main

main()
