"""The evidence file about a lot: its index, and the journal's lines as they stand in it. Pure."""
