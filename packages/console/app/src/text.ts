/** Characters that draw nothing, or turn the text around them: control characters and those of direction. */
const UNSEEN = /[\p{Cc}\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/gu;

/** A text of somebody else's, with everything in it that is not seen shown as a sign. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\uFFFD";
  });
}

/** `calls` of `call`; what has a plural of its own or is no word stays as it is. */
export function plural(count: bigint | number, word: string): string {
  return count === 1 || count === 1n || !/^[a-z ]*[a-z]$/.test(word) || word.endsWith("s")
    ? word
    : `${word}s`;
}
