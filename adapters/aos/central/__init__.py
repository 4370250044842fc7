"""The central bank's instant payment system as pure code: ledger, participants, checks, and the flow of messages."""
