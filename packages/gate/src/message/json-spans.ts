// Where the values of a JSON text are, so that a message can be passed on as it came. The text is known to be valid JSON.
// Nothing here is recursive: a text may be nested deeper than the stack.

/** The span of a value in a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A member of an object, with the span of its value. */
export interface Member extends Span {
  readonly key: string;
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPENING = new Set(["{", "["]);
const CLOSING = new Set(["}", "]"]);

/** Returns the index after the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (text.charCodeAt(index) !== QUOTE) index += text.charCodeAt(index) === BACKSLASH ? 2 : 1;
  return index + 1;
}

function skipSpace(text: string, start: number): number {
  let index = start;
  while (index < text.length && " \t\n\r".includes(text.charAt(index))) index += 1;
  return index;
}

function endOfValue(text: string, start: number): number {
  if (text.charCodeAt(start) === QUOTE) return endOfString(text, start);
  if (!OPENING.has(text.charAt(start))) {
    let index = start;
    while (index < text.length && !" \t\n\r,]}".includes(text.charAt(index))) index += 1;
    return index;
  }
  let depth = 0;
  let index = start;
  do {
    const char = text.charAt(index);
    if (OPENING.has(char)) depth += 1;
    if (CLOSING.has(char)) depth -= 1;
    index = char === '"' ? endOfString(text, index) : index + 1;
  } while (depth > 0);
  return index;
}

/** Returns the members of the object that begins at `start` of a valid JSON text; none where no object begins there. */
export function membersOf(text: string, start = 0): Member[] {
  let index = skipSpace(text, start);
  if (text.charAt(index) !== "{") return [];
  const members: Member[] = [];
  index = skipSpace(text, index + 1);
  while (text.charAt(index) === '"') {
    const endOfKey = endOfString(text, index);
    const key: string = JSON.parse(text.slice(index, endOfKey));
    const valueStart = skipSpace(text, skipSpace(text, endOfKey) + 1);
    const end = endOfValue(text, valueStart);
    members.push({ key, start: valueStart, end });
    index = skipSpace(text, end);
    if (text.charAt(index) === ",") index = skipSpace(text, index + 1);
  }
  return members;
}

/** Returns the spans of the elements of the array that a valid JSON text is. */
export function elementsOf(text: string): Span[] {
  const elements: Span[] = [];
  let index = skipSpace(text, skipSpace(text, 0) + 1);
  while (index < text.length && text.charAt(index) !== "]") {
    const end = endOfValue(text, index);
    elements.push({ start: index, end });
    index = skipSpace(text, end);
    if (text.charAt(index) === ",") index = skipSpace(text, index + 1);
  }
  return elements;
}

/** Returns the span of the value at a path of keys; undefined where there is none. */
function spanAt(text: string, path: readonly string[]): Span | undefined {
  let span: Span | undefined = { start: 0, end: text.length };
  for (const key of path) {
    span = membersOf(text, span.start).find((member) => member.key === key);
    if (span === undefined) return undefined;
  }
  return span;
}

/** Returns the value at a path as it is written; undefined where there is none. */
export function textAt(text: string, path: readonly string[]): string | undefined {
  const span = spanAt(text, path);
  return span === undefined ? undefined : text.slice(span.start, span.end);
}

/** Returns the text with the value at a path replaced; the text itself where there is none. */
export function replaceAt(text: string, path: readonly string[], value: string): string {
  const span = spanAt(text, path);
  return span === undefined ? text : text.slice(0, span.start) + value + text.slice(span.end);
}

/** Returns the key as a reader sees it that takes upper case for lower case, as Go's does. */
export function foldKey(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** Levels at which keys are compared without regard to case: the message, `params`, and the arguments in them. */
const FOLDED_LEVELS = 3;

/**
 * Finds a key that two readers of a valid JSON text may take for two different values: one that an object has twice, or,
 * at the upper levels, in two spellings of upper and lower case.
 */
export function findAmbiguousKey(text: string): string | undefined {
  const levels: (Set<string> | undefined)[] = [];
  let isKeyNext = false;
  let index = 0;
  while (index < text.length) {
    const char = text.charAt(index);
    if (char !== '"') {
      if (OPENING.has(char)) levels.push(char === "{" ? new Set() : undefined);
      if (CLOSING.has(char)) levels.pop();
      if (char === "{" || char === ",") isKeyNext = levels.at(-1) !== undefined;
      index += 1;
      continue;
    }
    const end = endOfString(text, index);
    if (isKeyNext) {
      const key: string = JSON.parse(text.slice(index, end));
      const seen = levels.at(-1);
      const known = levels.length <= FOLDED_LEVELS ? foldKey(key) : key;
      if (seen?.has(known)) return key;
      seen?.add(known);
      isKeyNext = false;
    }
    index = end;
  }
  return undefined;
}
