"""AÖS, the central bank's instant payment system: orders, requests, enquiries and confirmations out; a sandbox."""
