"""Messages owed: enqueued with the change that causes them, claimed, rendered and sent when due."""
