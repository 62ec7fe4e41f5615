"""Floor 3: the plan and its cost lines as frozen values; no decision is taken here."""
