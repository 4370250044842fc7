"""Shared socket glue for doors, adapters and sandboxes: signed HTTP in and out, bounded and typed by outcome."""
