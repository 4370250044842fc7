"""An authority of time, asked for RFC 3161 time-stamps over HTTP."""
