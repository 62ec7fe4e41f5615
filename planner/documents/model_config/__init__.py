"""A model's published configuration (`config.json` of Hugging Face) → the row of our catalog."""
