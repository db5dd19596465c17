/**
 * Adds the end of a management key, which those of the console have, and the one-time codes that the console exchanges
 * for one. A code is removed as it is exchanged, so none is used twice.
 */
export const consoleSignIn = `
ALTER TABLE management_keys ADD COLUMN expires_at timestamptz;

CREATE TABLE console_codes (
  code_hash text PRIMARY KEY,
  environment_id uuid NOT NULL REFERENCES environments (id),
  key_id uuid NOT NULL REFERENCES management_keys (id),
  name text NOT NULL,
  scopes text[],
  key_lifetime integer NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX console_codes_expires_at ON console_codes (expires_at);
`;
