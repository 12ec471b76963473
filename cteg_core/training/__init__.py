"""Teaching CTEG: text with labels, motion made from what is known of faces, losses and the loop."""
