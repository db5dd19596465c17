/** What differs from one run to the next, and is the same thing wherever it stands in a document. */
const IDENTITY = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\blk_test_[\w-]{20,}|\bAGT-[\w-]{20,}/;
/** What differs from one run to the next, and only its form matters. */
const TIME = /\b\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\dZ)?/;

/**
 * The sample values of a document (ids, keys, tokens, ports) with those that they stand for in one run. A value is
 * known from the first output that shows it; from then on the same sample means the same value, in outputs as in
 * commands.
 */
export class SampleValues {
  readonly #values: Map<string, string>;

  constructor(known: Readonly<Record<string, string>> = {}) {
    this.#values = new Map(Object.entries(known));
  }

  /** The text with the values of this run in place of the samples. */
  fill(text: string): string {
    return text.replace(this.#samples(), (sample) => this.#values.get(sample) ?? sample);
  }

  /** Whether the output is what the document shows; learns the values of samples that are new in it. */
  match(shown: string, output: string): boolean {
    const learned: string[] = [];
    let pattern = "";
    let end = 0;
    for (const { 0: sample, index } of shown.matchAll(this.#samples())) {
      pattern += escaped(shown.slice(end, index));
      end = index + sample.length;
      const known = this.#values.get(sample);
      const earlier = learned.indexOf(sample);
      if (known !== undefined) pattern += escaped(known);
      else if (earlier >= 0) pattern += `\\${earlier + 1}`;
      else if (isWhole(TIME, sample)) pattern += formOf(sample);
      else {
        learned.push(sample);
        pattern += `(${formOf(sample)})`;
      }
    }
    const found = new RegExp(`^${pattern}${escaped(shown.slice(end))}$`).exec(output);
    if (found === null) return false;
    for (const [index, sample] of learned.entries()) this.#values.set(sample, found[index + 1] ?? "");
    return true;
  }

  #samples(): RegExp {
    const known = [...this.#values.keys()].map((sample) => `\\b${escaped(sample)}\\b`);
    return new RegExp([...known, IDENTITY.source, TIME.source].join("|"), "g");
  }
}

/** A pattern for values of the same form as this sample. */
function formOf(sample: string): string {
  if (sample.startsWith("lk_test_") || sample.startsWith("AGT-")) {
    return `${sample.slice(0, sample.startsWith("AGT-") ? 4 : 8)}[\\w-]{20,}`;
  }
  return sample.replace(/[0-9a-f]/g, isWhole(TIME, sample) ? "\\d" : "[0-9a-f]");
}

const isWhole = (pattern: RegExp, text: string) => new RegExp(`^(?:${pattern.source})$`).test(text);

const escaped = (text: string) => text.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&");
