"""The official CTEG checkpoint and the EmoAva files around it: imported once, then read as our own."""
