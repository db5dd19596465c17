/** A moment for people: UTC to the second, or to the day where it is midnight. */
export function shownTime(iso: string | null | undefined): string | null | undefined {
  return iso?.replace(/T00:00:00(\.000)?Z$/, "").replace(/T(\d\d:\d\d:\d\d)(\.\d+)?Z$/, " $1Z") ?? iso;
}
