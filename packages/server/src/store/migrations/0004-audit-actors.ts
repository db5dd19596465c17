/** Changes that no management key made are in the audit log, too. */
export const auditActors = `
ALTER TABLE audit_events ADD COLUMN actor text NOT NULL DEFAULT 'key';
ALTER TABLE audit_events ALTER COLUMN actor DROP DEFAULT;
ALTER TABLE audit_events ALTER COLUMN key_id DROP NOT NULL;
ALTER TABLE audit_events ALTER COLUMN request_id DROP NOT NULL;
ALTER TABLE audit_events ADD CHECK ((actor = 'key') = (key_id IS NOT NULL));
`;
