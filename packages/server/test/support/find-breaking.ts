/**
 * Finds what servers of the version before could not work beside, in a script of migrations: whatever may refuse what
 * they write, or take away what they read. A table that the scripts make themselves is none of theirs.
 *
 * @param scripts the migrations since the version that is looked after, in their order
 * @returns each statement, or part of one, that does more than add
 */
export function findBreaking(scripts: readonly string[]): string[] {
  const made = new Set<string>();
  const breaking: string[] = [];
  for (const statement of scripts.flatMap(statements)) {
    const table = /^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)/i.exec(statement)?.[1];
    if (table !== undefined) {
      made.add(table);
      continue;
    }
    const target = targetOf(statement);
    if (target !== undefined && made.has(target)) continue;
    if (/^CREATE INDEX /i.test(statement) || /^INSERT INTO /i.test(statement)) continue;
    const altered = /^ALTER TABLE \w+ (.*)$/is.exec(statement)?.[1];
    if (altered !== undefined) breaking.push(...actionsOf(altered).filter((action) => !onlyAdds(action)));
    // Rows that are there may be given values of what is new.
    else if (!/^UPDATE /i.test(statement)) breaking.push(statement);
  }
  return breaking;
}

function statements(script: string): string[] {
  return script
    .replace(/--.*$/gm, "")
    .split(";")
    .map((statement) => statement.replaceAll(/\s+/g, " ").trim())
    .filter((statement) => statement !== "");
}

function targetOf(statement: string): string | undefined {
  return (
    /^(?:ALTER|DROP) TABLE (?:IF EXISTS )?(\w+)/i.exec(statement)?.[1] ??
    /^CREATE (?:UNIQUE )?INDEX (?:\w+ )?ON (\w+)/i.exec(statement)?.[1]
  );
}

/** The actions of an ALTER TABLE: what is between commas that are in no parentheses. */
function actionsOf(text: string): string[] {
  const actions: string[] = [];
  let depth = 0;
  let action = "";
  for (const letter of text) {
    if (letter === "(") depth += 1;
    if (letter === ")") depth -= 1;
    if (letter === "," && depth === 0) {
      actions.push(action.trim());
      action = "";
    } else action += letter;
  }
  return [...actions, action.trim()];
}

/** A column that a statement which does not know it leaves as it may be. */
function onlyAdds(action: string): boolean {
  if (!/^ADD COLUMN /i.test(action) || /\bUNIQUE\b/i.test(action)) return false;
  return !/\bNOT NULL\b/i.test(action) || /\bDEFAULT\b/i.test(action);
}
