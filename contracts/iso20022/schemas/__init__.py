"""The AÖS profile schemas, ours and stricter than ISO's: what they accept, the official schema of that name accepts."""
