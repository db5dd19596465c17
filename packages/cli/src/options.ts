import { DEFAULT_PORT } from "@licentric/server";
import { InvalidArgumentError, Option } from "commander";

/** Where the data is, as commands are told. */
export interface DatabaseOptions {
  readonly databaseUrl?: string;
  readonly dataDir: string;
}

/** Where the API listens and which Stripe it uses, as commands are told. */
export interface ListenOptions extends DatabaseOptions {
  readonly host: string;
  readonly port: number;
}

/** The options of every command that opens the database. */
export function databaseOptions(): Option[] {
  return [
    new Option("--database-url <url>", "PostgreSQL to use instead of the embedded database").env(
      "DATABASE_URL",
    ),
    new Option("--data-dir <directory>", "where the embedded database is")
      .env("LICENTRIC_DATA_DIR")
      .default(".licentric/data"),
  ];
}

/** The options of every command that runs the API. */
export function listenOptions(): Option[] {
  return [
    ...databaseOptions(),
    new Option("--host <address>", "address to listen on").env("HOST").default("127.0.0.1"),
    new Option("--port <number>", "port to listen on; 0 takes any free one")
      .env("PORT")
      .default(DEFAULT_PORT)
      .argParser(parsePort),
  ];
}

/** A port of 0 to 65535. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535)
    throw new InvalidArgumentError("It is a whole number from 0 to 65535.");
  return port;
}
