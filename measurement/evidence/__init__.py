"""Published measurements: how they are read, predicted, fitted to and scored."""
