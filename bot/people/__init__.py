"""Who we talk to: contacts and their chats, roles and invitations, consent, the audit trail, privacy."""
