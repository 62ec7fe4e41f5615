"""What one replica of a model can serve on given GPUs, and how well that is known. No price is known here."""
