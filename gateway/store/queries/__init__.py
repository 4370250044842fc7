"""The named queries, as SQL files."""
