"""Values of this package as text, tables and pictures. Nothing is decided here."""
