"""Forums and training: what is on, who comes, and what those who come are told."""
