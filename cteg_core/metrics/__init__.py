"""What a performance is measured by."""
