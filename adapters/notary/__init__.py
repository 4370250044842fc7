"""Our own office: draws up protocols and seals them. No counterparty stands behind it, so it has no sandbox."""
