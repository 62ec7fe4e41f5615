"""Published measurements: read in their own words, predicted, fitted to, and scored."""
