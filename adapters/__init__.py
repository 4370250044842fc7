"""How we reach them: a folder per counterparty with `mapping` (pure), `adapter` (I/O), `sandbox` (they)."""
