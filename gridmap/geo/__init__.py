"""Spatial knowledge: datums, geometry checks, GIS files. No database, no network."""
