"""One-on-one appointments with experts: what is free, who holds it, who booked it."""
