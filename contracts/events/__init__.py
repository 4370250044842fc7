"""CloudEvents 1.0 in structured JSON: what the auction platform tells us, and what we tell banks and the platform."""
