"""Values as text. The code is pure: it knows no file, no clock and no terminal; it yields lines or builds tables."""
