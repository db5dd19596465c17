/** The work that is charged for: asks a weather service, which counts how often it is asked. */
export async function forecast(city: string): Promise<string> {
  const url = new URL(process.env["WEATHER_URL"] ?? "");
  url.searchParams.set("city", city);
  return (await fetch(url)).text();
}
