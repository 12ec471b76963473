"""The CTEG network and everything that turns text into frames with it (torch lives here)."""
