"""What this dialect says differently."""
