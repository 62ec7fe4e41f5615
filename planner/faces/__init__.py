"""Floor 6: values to text. Pure: no file, no clock, no terminal; renderers yield lines or build tables."""
