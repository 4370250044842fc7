"""The auction platform: our signed callbacks to it, and the platform itself as a sandbox."""
