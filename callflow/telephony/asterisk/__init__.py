"""Asterisk as a telephone, over ARI: HTTP to act, a WebSocket to hear. Nothing imports this before it is asked for."""
