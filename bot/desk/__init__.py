"""The desk: questions that a person answers. Staff are told in chat, reply there, and the asker gets it in theirs."""
