/** A piece of a word: quoted, a substitution, a placeholder such as `<agent id>`, escaped, or one plain sign. */
const PIECE = String.raw`'[^']*'|"(?:\\.|[^"\\])*"|\$\([^()]*\)|<[\w ]+>|\\.|[^\s'"\\|&;<>()#]`;
const TOKEN = new RegExp(
  String.raw`(?<word>(?:${PIECE})(?:${PIECE}|#)*)|(?<end>\n|&&|\|\|?|;|<\(|\))|(?<unknown>[^\s#])|#.*|\s`,
  "g",
);

/**
 * The commands of a shell script, each as its words without quotes; those in substitutions, too.
 *
 * @throws Error where the script has what no document needed yet, such as a redirection
 */
export function commandsIn(script: string): string[][] {
  const commands: string[][] = [[]];
  const inner: string[][] = [];
  for (const { groups = {}, index } of script.replaceAll("\\\n", "  ").matchAll(TOKEN)) {
    const { word, end, unknown } = groups;
    if (unknown !== undefined) throw new Error(`cannot be read: ${script.slice(index).split("\n")[0]}`);
    if (end !== undefined) commands.push([]);
    if (word === undefined) continue;
    commands.at(-1)?.push(withoutQuotes(word));
    for (const [, substituted = ""] of word.matchAll(/\$\(([^()]*)\)/g))
      inner.push(...commandsIn(substituted));
  }
  return [...commands.filter((words) => words.length > 0), ...inner];
}

function withoutQuotes(word: string): string {
  return word.replace(
    /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g,
    (_, single, double, escaped) => single ?? double?.replace(/\\(["\\$`])/g, "$1") ?? escaped,
  );
}
