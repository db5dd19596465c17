import { expect, it } from "vitest";
import { isLoopback } from "./is-loopback.ts";

it.each([
  "http://127.0.0.1:4242",
  "http://127.1.2.3",
  "http://localhost",
  "http://LOCALHOST:1/a",
  "http://[::1]:4242",
])("is this machine: %s", (url) => expect(isLoopback(url)).toBe(true));

it.each([
  "http://127.0.0.1.example.com",
  "http://127.example.com",
  "http://localhost:secret@example.com",
  "http://localhost.example.com/",
  "http://[::1]@example.com",
  "https://example.com",
  "127.0.0.1:4242",
  "",
])("is another machine, or no URL: %s", (url) => expect(isLoopback(url)).toBe(false));
