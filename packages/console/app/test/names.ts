const WORDS = [
  "Acme",
  "Globex",
  "Initech",
  "Umbrella Research",
  "Hooli",
  "Stark Industries",
  "Wayne Enterprises",
];
const PLACES = ["Berlin", "Lyon", "Porto", "Ghent", "Turin", "Oslo", "Graz", "Delft", "Bergen"];

/** Names as owners give them. */
export function plainName(kind: string, index: number): string {
  const place = PLACES[Math.floor(index / WORDS.length) % PLACES.length];
  switch (kind) {
    case "Customer":
      return `${WORDS[index % WORDS.length]} ${place}`;
    case "Agent":
      return `Travel planner ${place} ${index + 1}`;
    case "Meter":
      return "Pages read";
    case "Tool":
      return ["search", "forecast", "read_page"][index % 3] ?? "search";
    case "Memo":
      return "As agreed in October.";
    default:
      return `${kind} ${index + 1}`;
  }
}

/** Names that would break a page that takes them as they are. */
export const HOSTILE: readonly string[] = [
  "\u202Egnp.exe\u202D reversed \u2066isolated",
  "control \u0001\u0007\u001B[31m\u007F\u0085 characters",
  "🦜".repeat(100),
  `<img src=x onerror="alert(1)"><script>alert(2)</script><b>bold`,
  "W".repeat(200),
  "\u05D0\u05D1\u05D2 \u0627\u0644\u0639\u0631\u0628\u064A\u0629 'quote' \"quote\" ; rm -rf / `id` $(id)",
  "javascript:alert(3)",
];

/** A hostile name for each thing. */
export function hostileName(kind: string, index: number): string {
  // The longest that there is room for.
  if (kind === "Note" || kind === "Memo") return "🦜".repeat(200);
  return HOSTILE[index % HOSTILE.length] ?? "";
}
